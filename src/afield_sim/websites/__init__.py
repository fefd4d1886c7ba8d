"""Company websites of many industries, over http and https, some of them with everything that can be wrong."""
