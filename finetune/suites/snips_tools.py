"""SNIPS' seven intents as tools: the names are the data set's, the words are ours.

Training shows them under other names and with other words; see `finetune.default.sources.snips_tools`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetune.default.public_data import tool_schema

# Intent → what it does, and its slots.
SNIPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "AddToPlaylist": (
        "Add a song, album or artist to a playlist.",
        ("music_item", "playlist", "playlist_owner", "artist", "entity_name"),
    ),
    "BookRestaurant": (
        "Book a table at a restaurant.",
        ("restaurant_name", "restaurant_type", "cuisine", "served_dish", "city", "state", "country", "timeRange")
        + ("party_size_number", "party_size_description", "spatial_relation", "poi", "facility", "sort"),
    ),
    "GetWeather": (
        "Get the weather forecast for a place and a time.",
        ("city", "state", "country", "timeRange", "condition_description", "condition_temperature")
        + ("current_location", "geographic_poi", "spatial_relation"),
    ),
    "PlayMusic": (
        "Play music by an artist, a track, an album or a genre.",
        ("artist", "album", "track", "genre", "playlist", "service", "year", "sort", "music_item"),
    ),
    "RateBook": (
        "Rate a book with points or stars.",
        ("object_name", "object_type", "object_select", "object_part_of_series_type", "rating_value", "best_rating")
        + ("rating_unit",),
    ),
    "SearchCreativeWork": (
        "Find a creative work by its title: a book, song, show, game or picture.",
        ("object_name", "object_type"),
    ),
    "SearchScreeningEvent": (
        "Find movie times and cinemas showing a film.",
        ("movie_name", "movie_type", "object_type", "object_location_type", "location_name", "timeRange")
        + ("spatial_relation",),
    ),
}


def snips_tools() -> tuple[dict[str, Any], ...]:
    """SNIPS' seven intents as tools."""
    return tuple(
        tool_schema(name, told, {slot: {"type": "string"} for slot in slots}, ())
        for name, (told, slots) in SNIPS.items()
    )
