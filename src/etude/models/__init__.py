"""One model a file: plain torch modules that know no dataset, no trainer and no stage.

A model's class says which kinds of representation it ``reads``, which attributes of that representation its constructor
``takes``, and which file of sampling/ is its ``sampler``. ``building`` makes models, ``weights`` saves and loads them.
"""
