"""LSTM: stacked long short-term memory over tokens or frames (Hochreiter and Schmidhuber, 1997)."""

from torch import nn

from etude.models.recurrent import Recurrent


class LSTM(Recurrent):
    """Recurrent model of LSTM cells."""

    cell = nn.LSTM
