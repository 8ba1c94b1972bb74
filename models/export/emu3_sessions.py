"""Emu3's sessions run by ONNX Runtime: its images have rows of any length and number."""

import image_token_sessions


class Sessions(image_token_sessions.Sessions):
    """The sessions of one folder. Names spell codes with as many digits, so their order is that of the codes."""

    names = "<|visual token "
    end_of_row = "<|extra_200|>"
