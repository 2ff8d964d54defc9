"""Tables that a section is made of, one noun a file. They hold what the records hold and never HTML."""
