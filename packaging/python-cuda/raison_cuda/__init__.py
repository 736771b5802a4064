"""The CUDA back end of raison: `libraison-cuda.so` in this folder. Nothing to import; `raison` looks
for this package and opens the plug-in itself."""
