"""Tracing: sends a trace of each request with OpenTelemetry."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from fastapi import FastAPI

import elq

UNTRACED = "/health$,/ready$,/metrics$"  # what programs ask every few seconds


def start_tracing(app: FastAPI) -> tuple[Callable[..., AbstractContextManager[Any]], Callable[[], None]]:
    """Trace the requests of an application. The address of the collector is in the standard variables (``OTEL_EXPORTER_…``).

    Returns:
        A function that opens a span with a name and attributes, and one that sends what is left and stops.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = Resource.create()  # of the variables OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    if str(about.attributes[SERVICE_NAME]).startswith("unknown_service"):
        about = about.merge(Resource({SERVICE_NAME: "elq", SERVICE_VERSION: elq.__version__}))
    provider = TracerProvider(resource=about)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, excluded_urls=UNTRACED, exclude_spans=["receive", "send"])
    tracer = provider.get_tracer("elq", elq.__version__)

    def span(name: str, **attributes: Any) -> AbstractContextManager[Any]:
        return tracer.start_as_current_span(name, attributes={f"elq.{key}": value for key, value in attributes.items()})

    return span, provider.shutdown
