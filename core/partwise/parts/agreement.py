"""What the layers of one stack hand to each other in a pass, whose form must be the same in all of them."""

from __future__ import annotations

from partwise.errors import PartError


class Agreement:
    """Notes, while a stack is built, the form of each thing that its layers share."""

    def __init__(self) -> None:
        self.forms: dict[str, tuple[str, int]] = {}
        """What is shared -> its form, and the layer that said it first."""

    def on(self, what: str, form: str, layer: int) -> None:
        """
        Raises:
            PartError: an earlier layer has said another form.
        """
        first, said_by = self.forms.setdefault(what, (form, layer))
        if first != form:
            raise PartError(
                f"layers here share {what}, of one form for all: layer {said_by} has {first}, and layer {layer} has "
                f"{form}; make them equal, or use what shares {what} in one of them only"
            )
