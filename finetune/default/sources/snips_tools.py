"""SNIPS' intents as tools, in our own words: several names and descriptions each, so that the schema has to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_PLACES = {
    "city": (("city", "town"), "Name of the city or town"),
    "state": (("state", "region"), "State or region"),
    "country": (("country",), "Country"),
    "timeRange": (("time_range", "when", "time"), "Time or period, as said"),
    "spatial_relation": (("spatial_relation", "proximity"), "How near, such as nearby or closest"),
}


@dataclass(frozen=True, slots=True)
class Intent:
    """Names and descriptions a tool may have, and for each slot the names and the meaning its argument may have."""

    names: tuple[str, ...]
    told: tuple[str, ...]
    slots: Mapping[str, tuple[tuple[str, ...], str]]


INTENTS: Mapping[str, Intent] = {
    "AddToPlaylist": Intent(
        ("add_to_playlist", "playlist_add", "add_playlist_item", "save_to_playlist"),
        ("Put a song, album or artist on a playlist", "Add music to one of the user's playlists"),
        {
            "entity_name": (("entity_name", "title", "item_name"), "Title of the song or album to add"),
            "music_item": (("music_item", "item_type", "kind"), "Kind of thing: song, track, album, artist"),
            "artist": (("artist", "performer"), "Whose music to add"),
            "playlist": (("playlist", "playlist_name", "target_playlist"), "Name of the playlist"),
            "playlist_owner": (("playlist_owner", "owner", "whose"), "Whose playlist it is, such as my"),
        },
    ),
    "BookRestaurant": Intent(
        ("book_restaurant", "reserve_table", "make_restaurant_reservation", "book_table"),
        ("Reserve a table at a restaurant or bar", "Make a booking for a meal out"),
        {
            "restaurant_name": (("restaurant_name", "restaurant", "venue"), "Name of the place"),
            "restaurant_type": (("restaurant_type", "place_type", "venue_type"), "Kind of place: restaurant, bar, pub"),
            "cuisine": (("cuisine", "food_style"), "Style of cooking"),
            "served_dish": (("served_dish", "dish"), "Dish that must be on the menu"),
            "party_size_number": (("party_size", "number_of_people", "guests"), "How many people"),
            "party_size_description": (("party", "who", "companions"), "Who is coming, as said"),
            "poi": (("poi", "near", "landmark"), "Place or area to be near"),
            "facility": (("facility", "amenity"), "What the place must have, such as parking"),
            "sort": (("sort", "ranking", "quality"), "Wanted rank, such as best or top-rated"),
            **_PLACES,
        },
    ),
    "GetWeather": Intent(
        ("get_weather", "weather_forecast", "check_weather", "lookup_forecast"),
        ("Forecast of the weather for a place and time", "Tell what the weather is or will be somewhere"),
        {
            "condition_description": (("condition", "weather_condition"), "Condition asked about, such as rain"),
            "condition_temperature": (("temperature", "how_warm"), "Temperature asked about, such as cold or warm"),
            "current_location": (("current_location", "here"), "Words for where the user is, such as here"),
            "geographic_poi": (("place", "park", "geographic_poi"), "Park or natural landmark"),
            **_PLACES,
        },
    ),
    "PlayMusic": Intent(
        ("play_music", "start_playback", "music_play", "play_song"),
        ("Play music by artist, title, genre or year", "Start playing songs on a music service"),
        {
            "artist": (("artist", "performer", "by"), "Who performs it"),
            "album": (("album", "record"), "Title of the album"),
            "track": (("track", "song_title"), "Title of the song"),
            "genre": (("genre", "style"), "Genre of the music"),
            "playlist": (("playlist", "playlist_name"), "Playlist to play"),
            "service": (("service", "provider", "app"), "Music service to play it on"),
            "year": (("year", "period", "decade"), "Year or decade, as said"),
            "sort": (("sort", "order"), "Which first, such as top or newest"),
            "music_item": (("music_item", "item_type", "kind"), "Kind of thing: song, album, track"),
        },
    ),
    "RateBook": Intent(
        ("rate_book", "submit_book_rating", "review_book", "add_rating"),
        ("Rate a book with stars or points", "Give a book, series or essay a rating"),
        {
            "object_name": (("title", "book_title", "object_name"), "Title of what is rated"),
            "object_select": (("which", "selection", "object_select"), "Which one: this, current, previous, next"),
            "object_type": (("object_type", "kind", "work_type"), "Kind of work: book, novel, essay"),
            "object_part_of_series_type": (("series_type", "part_of"), "Kind of series: saga, chronicle, series"),
            "rating_value": (("rating_value", "rating", "score"), "The rating given"),
            "best_rating": (("best_rating", "out_of", "max_rating"), "Highest possible rating"),
            "rating_unit": (("rating_unit", "unit"), "stars or points"),
        },
    ),
    "SearchCreativeWork": Intent(
        ("search_creative_work", "find_title", "find_creative_work", "media_search"),
        ("Find a book, song, show, game or picture by its title", "Look up a creative work of any kind by name"),
        {
            "object_name": (("title", "name", "work_name"), "Title of the work"),
            "object_type": (("work_type", "object_type", "kind"), "Kind of work: book, song, TV show, game"),
        },
    ),
    "SearchScreeningEvent": Intent(
        ("find_screenings", "movie_showtimes", "search_screening_event", "cinema_schedule"),
        ("Find showtimes of movies and the cinemas that show them", "Movie schedules at theatres"),
        {
            "movie_name": (("movie_name", "film", "movie"), "Title of the movie"),
            "movie_type": (("movie_type", "film_type"), "Kind of movie, such as animated movies"),
            "object_type": (("object_type", "wanted"), "What is wanted, such as movie times or schedule"),
            "object_location_type": (("venue_type", "location_type"), "Kind of venue: cinema, movie house"),
            "location_name": (("location_name", "cinema", "theatre"), "Name of the cinema or chain"),
            "timeRange": (("time_range", "when"), "Time or period, as said"),
            "spatial_relation": (("proximity", "distance"), "How near, such as nearest"),
        },
    ),
}
# Each may be meant where the other is asked for, so neither stands for "none of these tools".
ALIKE = (
    {"SearchCreativeWork", "PlayMusic"},
    {"SearchCreativeWork", "SearchScreeningEvent"},
    {"AddToPlaylist", "PlayMusic"},
)
WHOLE_NUMBERS = frozenset({"rating_value", "best_rating", "party_size_number"})
