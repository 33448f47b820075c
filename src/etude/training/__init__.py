"""How models learn: one objective a file, each with ``learn(model, task)``; a model's YAML names it as ``objective``.

``objectives`` lists them, ``task`` holds what they learn from, ``trainer`` is the Lightning trainer of the neural ones.
"""
