"""Names that Gradio keeps from a screen reader: its galleries call a picture "Thumbnail 1 of 10".

Seen in 6.31. Each picture is called by its caption instead, whenever a gallery is filled.
"""

from __future__ import annotations

NAME_PICTURES = """() => {
  if (window.funclocNames) return;
  window.funclocNames = true;
  const name = () => {
    document.querySelectorAll("button[aria-label^='Thumbnail']").forEach((each) => {
      const said = each.innerText.trim() || each.querySelector("img")?.alt;
      if (said) each.setAttribute("aria-label", said);
    });
  };
  new MutationObserver(name).observe(document.body, {
    attributes: true, attributeFilter: ["aria-label"], childList: true, subtree: true,
  });
  name();
}"""
