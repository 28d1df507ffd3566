"""Opening: opens an image tower by its name."""

from pathlib import Path

from elq.errors import ElqError
from elq.vision.tower import ImageTower

DEFAULT = "efficientnet_lite0"


def open_tower(name: str | Path = DEFAULT) -> ImageTower:
    """The image tower of this name: ``efficientnet_lite0``, or the folder of a layout tower or of a CLIP or SigLIP model.

    Raises:
        ElqError: there is no such folder, its files cannot be used, or a package is not installed.
    """
    from elq.vision.pictures import require_pillow

    require_pillow()
    if str(name) == DEFAULT:
        from elq.vision.efficientnet import EfficientNetTower, read_weights

        return EfficientNetTower(read_weights())
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ElqError(
            f"the image tower {name} is neither {DEFAULT} nor a folder: give {DEFAULT}, the folder of a tower that you trained,"
            " or that of a CLIP or SigLIP model"
        )
    from elq.vision.layout import LayoutTower, is_layout_tower

    if is_layout_tower(folder):
        return LayoutTower.open(folder)
    from elq.vision.clip import ClipTower

    return ClipTower(folder)
