"""The service: virtual cells and the hub over HTTP, with durable jobs and a web page."""
