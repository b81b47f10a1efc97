"""What samples come in: tables of other libraries, sparse and memory-mapped rows, streams."""
