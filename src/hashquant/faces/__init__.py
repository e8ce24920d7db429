"""Faces drawn by program: seeded people in two capture domains, any number of them."""

from hashquant.faces.capture import DOMAINS
from hashquant.faces.render import GENERATOR_VERSION, render_faces

__all__ = ["DOMAINS", "GENERATOR_VERSION", "render_faces"]
