"""What EVE tells of applications' images: which are containers, and which are virtual machines."""

from __future__ import annotations

from netnsmgr.config.from_eve import fields
from netnsmgr.config.from_eve.message import Message


class Images:
    """The formats of images, which volumes name by content trees."""

    def __init__(self, root: Message) -> None:
        for name in ("contentInfo", "volumes"):
            if root.has(name):
                root.report.left(root.place(name), fields.IMAGES)
        contents = {
            each.text("uuid"): each.choice("iformat", fields.FORMATS)
            for each in root.messages("contentInfo", fields.CONTENT)
        }
        self._volumes = {
            each.text("uuid"): contents.get(
                each.message("origin", fields.ORIGIN).text("downloadContentTreeID"), ""
            )
            for each in root.messages("volumes", fields.VOLUME)
        }

    def is_machine(self, app: Message, resources: Message) -> bool:
        """Whether an application is a virtual machine of its own, by the image that it starts from.

        In EVE containers, too, run in small virtual machines unless there is no hypervisor; those count as containers.
        """
        bare = resources.choice("virtualizationMode", fields.VIRTUALIZATION) == fields.NO_HYPERVISOR
        for name in ("drives", "volumeRefList"):
            if app.has(name):
                app.report.left(app.place(name), fields.IMAGES)
        # Volumes take the place of drives; the first is what it starts from.
        formats = [
            self._volumes.get(each.text("uuid"), "")
            for each in app.messages("volumeRefList", fields.VOLUME_REF)
        ]
        formats += [
            each.message("image", fields.IMAGE).choice("iformat", fields.FORMATS)
            for each in app.messages("drives", fields.DRIVE)
        ]
        first = next(iter(formats), "")
        return not bare and first not in {"", "FmtUnknown", fields.CONTAINER}
