"""Make the finding anew that the Language page shows before anything is pressed.

    python -m llm_loc.app.ship

It is the run of the page's first button. A release makes it, and a change of its numbers or words.
"""

from __future__ import annotations

from browser.shipped import ship
from llm_loc.app.visit import DEMO, SHIPPED
from llm_loc.experiment import FRONT

if __name__ == "__main__":
    ship(FRONT, DEMO, SHIPPED.folder)
