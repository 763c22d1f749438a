"""Parts that another computer serves: asked by their address, and parts like any other to whoever holds them."""
