"""The tool on your own desk: a window that shows what a camera or a video file sees, and what the models say of it.

python -m scripts.webcam [CAMERA | FILE]
"""
