"""Model files in safetensors, their JSON metadata, and the safe reading and writing of files."""
