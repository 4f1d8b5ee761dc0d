"""From a parsed request and its model to the most that it can cost."""

from budgets.pricing.bound import Quote, quote, quote_of_usage
from budgets.pricing.images import image_bound
from budgets.pricing.rates import Model, NotPriceable
from proxy.providers.base import Image, ParsedRequest, RequestRefused
from proxy.providers.fields import unbounded

_ANY_TIER = "auto"


def quote_of(
    parsed: ParsedRequest, model: Model, *, default_limit: int, floor: int, kept_tokens: int | None = None
) -> Quote:
    """`default_limit` and `floor`: output tokens, for a client that gave no limit of its own. `kept_tokens`: all tokens
    of the reply that the request continues, where they were recorded; None: it may have filled the window.

    Raises RequestRefused `unbounded_request` where the price data leave something out that the request may use.
    """
    if parsed.service_tier != _ANY_TIER and not model.offers(parsed.service_tier):
        unbounded("service_tier", f"`{model.id}` has no price for the service tier `{parsed.service_tier}`.")
    if parsed.usual_limit and not (model.output_published or model.output_listed):
        default_limit = min(default_limit, parsed.usual_limit)
    try:
        if parsed.at_most is not None:
            return quote_of_usage(model, parsed.at_most)
        return quote(
            model,
            input_tokens=most_input_tokens(parsed, model, kept_tokens),
            choices=parsed.choices,
            client_limit=parsed.output_limit,
            default_limit=default_limit,
            floor=floor,
            least_output=parsed.least_output,
            extra_output=parsed.extra_output,
            fees=parsed.fees,
            web_searches=parsed.web_searches,
            audio=parsed.audio,
            service_tier=parsed.service_tier,
            region=parsed.region,
            retention=parsed.retention,
            model_calls=parsed.model_calls,
        )
    except NotPriceable as exc:
        raise RequestRefused("unbounded_request", f"`{model.id}` cannot be used for this: {exc}.") from exc


def most_input_tokens(parsed: ParsedRequest, model: Model, kept_tokens: int | None = None) -> int:
    """Over all calls of the model that the request can lead to."""
    if parsed.fills_window or (parsed.continues and kept_tokens is None):
        if not model.window_published:
            unbounded("model", f"The context window of `{model.id}`, which this content could fill, is not known.")
        return model.context_window * parsed.model_calls
    return (
        parsed.input_tokens
        + (kept_tokens or 0)
        + sum(_image_tokens(image, model) - image.most for image in parsed.images)
    )


def _image_tokens(image: Image, model: Model) -> int:
    tokens = image_bound(model, detail=image.detail, width=image.width, height=image.height)
    if tokens == model.context_window and not model.window_published:
        unbounded("model", f"The context window of `{model.id}`, which this picture could fill, is not known.")
    return tokens
