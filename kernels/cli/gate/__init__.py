"""`kdexent gate`: is one revision slower than another, or less exact than allowed?"""
