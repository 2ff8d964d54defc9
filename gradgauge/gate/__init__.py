"""The regression gate: a candidate judged against a baseline; what decides imports no torch, what measures may."""
