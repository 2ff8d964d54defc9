"""What a right gradient does not promise: how a call behaves under transforms, in threads, twice, compiled."""
