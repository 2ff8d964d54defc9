"""Several runs side by side: what differs around them, what each recommends, what changed since the first."""
