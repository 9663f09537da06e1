"""What voice and face say in files, or in one moment before camera and microphone: `python -m scripts.predict`.

Files: `sources` finds them, `predictor` puts them to the models, `text`, `tables` and `plots` write what it says.
Devices: `moment`.
"""
