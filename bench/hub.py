"""Whether the model hub can be asked for what is not on this machine."""


def hub_answers(timeout_s: float = 5.0) -> bool:
    """Whether the hub (`HF_ENDPOINT`) answers one request in time; False in its offline mode (`HF_HUB_OFFLINE=1`).

    Asked once before anything is fetched: libraries repeat each failing request for up to minutes.
    """
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=timeout_s)
    except Exception:  # The HTTP library behind the session, and so the type of its errors, depends on the version.
        return False
    return True
