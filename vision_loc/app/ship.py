"""Make the finding anew that the Faces page shows before anything is pressed.

    python -m vision_loc.app.ship

It is the run of the page's first button. A release makes it, and a change of its numbers or words.
"""

from __future__ import annotations

from browser.shipped import ship
from vision_loc.app.visit import DEMO, SHIPPED
from vision_loc.experiment import FRONT

if __name__ == "__main__":
    ship(FRONT, DEMO, SHIPPED.folder)
