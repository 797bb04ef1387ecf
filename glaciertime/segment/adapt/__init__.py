"""Adapting a model to one place: tuned on a few labelled dates, judged by leaving them out, steadied by the stack."""
