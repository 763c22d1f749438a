"""The cellular scale: what state is this cell in?"""
