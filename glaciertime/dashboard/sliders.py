"""A slider that the browser draws itself: it has a name for those who hear the page, and keys."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent

__all__ = ["Slider"]


class Slider(JSComponent):
    """One of several texts in their order.

    Parameters
    ----------
    label : str
        What is chosen.
    texts : list of str
        What the places are called; ``value`` counts them from 0.
    """

    label = param.String()
    texts = param.List()
    value = param.Integer(default=0)

    _esm = """
export function render({ model }) {
  const box = document.createElement('label');
  const told = document.createElement('span');
  const input = document.createElement('input');
  input.type = 'range';
  input.min = 0;
  input.step = 1;
  box.append(told, input);
  function show() {
    const text = model.texts[model.value] ?? '';
    input.max = Math.max(0, model.texts.length - 1);
    input.value = model.value;
    told.textContent = model.label + ': ' + text;
    input.setAttribute('aria-label', model.label);
    input.setAttribute('aria-valuetext', text);
    // One place is no choice.
    input.hidden = model.texts.length < 2;
  }
  input.oninput = () => { model.value = Number(input.value); };
  model.on('value', show);
  model.on('texts', show);
  show();
  return box;
}
"""
    _stylesheets: ClassVar[list[str]] = [
        """
label { display: block; font-size: 15px; color: #1c2733; }
input[hidden] { display: none; }
input { display: block; width: 100%; height: 28px; margin: 2px 0 0; accent-color: #0b5394; }
"""
    ]

    def __init__(self, label: str, texts: list[str], **given: Any) -> None:
        super().__init__(label=label, texts=texts, margin=(5, 10), sizing_mode="stretch_width", **given)

    def offer(self, texts: list[str], *, value: int) -> None:
        """Offer other texts, one of them chosen."""
        self.param.update(texts=texts, value=value)
