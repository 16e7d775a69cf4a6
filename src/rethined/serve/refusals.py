"""Why a request is refused: each reason with its status and its words, in one place."""

from __future__ import annotations

import math

from starlette.exceptions import HTTPException


def too_many_bytes(max_mb: int) -> HTTPException:
    """413: the body."""
    return HTTPException(413, f"the body of the request is larger than {max_mb} MB; send a smaller picture")


def too_long_annotations(most_mb: int, most_values: int) -> HTTPException:
    """413: a mask that is a file of annotations."""
    return HTTPException(
        413,
        f"the annotations sent as the mask are larger than {most_mb} MB or hold more than {most_values} values; send"
        " those of this picture alone, without the picture in them (imageData of LabelMe)",
    )


def too_many_pixels(name: str, size_hw: tuple[int, int], max_pixels: int) -> HTTPException:
    """413: a picture, by what its header says."""
    height, width = size_hw
    return HTTPException(
        413,
        f"{name!r} is {width} x {height} pixels; at most {max_pixels / 1e6:g} megapixels are filled here,"
        " so send a smaller picture",
    )


def unknown_content(content_type: str) -> HTTPException:
    """415: neither a form nor a picture."""
    given = f"is {content_type!r}" if content_type else "is missing"
    return HTTPException(
        415,
        f"the Content-Type {given}; expected multipart/form-data with the files image and mask,"
        " or image/... with the bytes of a picture",
    )


def form_for_picture() -> HTTPException:
    """415: a form where a picture alone is taken."""
    return HTTPException(415, "the Content-Type is that of a form; expected image/... with the bytes of a picture")


def unknown_accept(accept: str, formats: str) -> HTTPException:
    """406: no format that is asked for can be written."""
    return HTTPException(406, f"Accept is {accept!r}; expected one of {formats}, or leave it out for that of the image")


def wrong_host(host: str) -> HTTPException:
    """421: a name that this server does not go by; what a page elsewhere sends that had its name point here."""
    return HTTPException(
        421, f"the Host is {host!r}, and this server is for this machine alone; call it by the address it printed"
    )


def wrong_origin(origin: str) -> HTTPException:
    """403: a web page of another server."""
    if origin == "null":  # a page from a file, or in a sandbox
        return HTTPException(403, "the Origin is 'null', that of a page without a server; serve it from one")
    return HTTPException(403, f"the Origin is {origin!r}; to let its pages in start with --allow-origin {origin}")


def too_slow() -> HTTPException:
    """408: the request took too long to come."""
    return HTTPException(408, "the request was not there in time; send it faster, or start with a longer --timeout")


def out_of_time(timeout_s: float) -> HTTPException:
    """503: waiting and filling took too long."""
    return HTTPException(
        503,
        f"not filled within {timeout_s:g} s, waiting included, and ended; try again later, with a smaller hole or with"
        " preset fast",
        headers={"Retry-After": str(math.ceil(timeout_s))},
    )


def queue_full(waiting: int, retry_s: int) -> HTTPException:
    """429: too many requests already."""
    return HTTPException(
        429,
        f"{waiting} requests are worked on or wait, and no more are taken; try again in {retry_s} s",
        headers={"Retry-After": str(retry_s)},
    )


def stopping() -> HTTPException:
    """503: nothing new is begun."""
    return HTTPException(
        503, "the server is stopping and takes no more requests; try again later", headers={"Retry-After": "10"}
    )


def gone() -> HTTPException:
    """499, as web servers log it: nobody reads the answer."""
    return HTTPException(499, "the client went away")
