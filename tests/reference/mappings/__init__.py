"""One file a system of the golden files: whatever ``Mapping`` stands in a file here is found."""
