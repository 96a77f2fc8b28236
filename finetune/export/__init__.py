"""From a trained adapter to what other programs serve: GGUF LoRA, merged models, quantized files, a Modelfile.

Nothing here needs PyTorch but the check that both runtimes give the same answers.
"""
