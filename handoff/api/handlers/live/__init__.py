"""Live streams of a customer, a queue, and an agent, as Server-Sent Events (WHATWG HTML §9.2).

Every frame has an id. A client that reconnects with `Last-Event-ID` gets each missed frame exactly once, or
one `reset`, after which it reads the context again. A client that reads too slowly, or that the server cannot
send everything, gets `resume` and the stream ends.
"""
