"""What a search has shown, computed from its state and spec. No plots, no Ray, no torch.

- `savings`: what early stopping and packs saved, and what distilling costs beside training alone.
"""
