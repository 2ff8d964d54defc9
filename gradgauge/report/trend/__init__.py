"""The trend: all stored runs in the order of their time, machine by machine, and where times changed for good."""
