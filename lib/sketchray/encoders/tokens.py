"""Vision transformers: their features are one token's, which gathers from the patches by attention in every block."""

from abc import abstractmethod

from torch import Tensor

from sketchray.encoders.transformers_backbone import LibraryBackbone


class TokenBackbone(LibraryBackbone):
    """A vision transformer whose first token is the image and the rest its patches, row by row.

    Images may have any size: position embeddings are interpolated to it, and what a side has over a multiple of the
    patch is cut off.
    """

    @abstractmethod
    def tokens(self, x_B3HW: Tensor) -> Tensor:
        """Return the last block's tokens t_BTD."""

    def project(self, t_BTD: Tensor) -> Tensor:
        """Return tokens as features of the image are defined: what `tokens` leaves out; here nothing."""
        return t_BTD

    def forward(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:  # noqa: ARG002 - not conditional
        """Return the first token's features."""
        return self.project(self.tokens(x_B3HW)[:, :1])[:, 0]

    def feature_map(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:  # noqa: ARG002 - not conditional
        """Return the patches' features, all shifted alike so that their mean is the first token's.

        The first token has no parts by nature. The assumption is that a patch had the more to do with it the more its
        own token points the same way.
        """
        f_BTD = self.project(self.tokens(x_B3HW))
        cls_B1D, patches_BPD = f_BTD[:, :1], f_BTD[:, 1:]
        shifted_BPD = patches_BPD - patches_BPD.mean(dim=1, keepdim=True) + cls_B1D
        assert self.architecture is not None, "a library's network states its sizes"
        rows = x_B3HW.shape[2] // self.architecture["patch_size"]
        return shifted_BPD.transpose(1, 2).reshape(len(x_B3HW), self.dim, rows, -1)
