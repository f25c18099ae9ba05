"""What visitors of the tests take for a secret."""

from tests.web.browser import TOKEN


def test_a_token_is_found_in_an_address() -> None:
    assert TOKEN.search("https://vouch.example/app/?token=eyJhbGciOi_J9.eyJzdWIi-fQ.c2ln")


def test_random_text_with_the_same_beginning_is_no_token() -> None:
    random = "a82feyJB0JeRZ58lfZoZWQr7wBQHYYTSwXQvCFmdO5U"
    address = f"https://vouch.example/app/signed-in?code={random}&state={random}"
    assert not TOKEN.search(address)
