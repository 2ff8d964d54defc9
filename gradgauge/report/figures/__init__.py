"""Drawings as inline SVG: one theme, one colour a technique, nothing that touches pyplot's global state."""
