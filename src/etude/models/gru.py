"""GRU: stacked gated recurrent units over tokens or frames (Cho et al., 2014)."""

from torch import nn

from etude.models.recurrent import Recurrent


class GRU(Recurrent):
    """Recurrent model of GRU cells."""

    cell = nn.GRU
