"""Pictures composed of free icons on backgrounds that are drawn here.

``icons`` holds the cut-outs and their licences, ``layers`` puts one into a
picture, ``backgrounds`` draws what lies behind, ``objects`` is the data set.
"""
