"""Files: a network in safetensors, its metadata, and how a file is read and replaced."""
