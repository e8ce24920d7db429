"""Faces drawn by program: seeded people in two capture domains, any number of them."""

from hashquant.data.faces._capture import DOMAINS
from hashquant.data.faces._render import GENERATOR_VERSION, render_faces

__all__ = ["DOMAINS", "GENERATOR_VERSION", "render_faces"]
