"""Input data: arrays, tables, sparse and memory-mapped rows, streams of batches."""
