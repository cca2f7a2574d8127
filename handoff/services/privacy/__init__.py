"""Rights of the people whose history is kept: erasure with its proof, holds, and restrictions."""
