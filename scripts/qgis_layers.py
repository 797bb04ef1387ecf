"""Run by Debian's Python, which has QGIS: open layers with their style, draw them, and print what QGIS said."""

import json
import os
import sys

from qgis.core import QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsVectorLayer
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

path, folder, *names = sys.argv[1:]
application = QgsApplication([], False)
application.initQgis()
told = []
QgsApplication.messageLog().messageReceived.connect(lambda text, tag, level: told.append(f"{tag}: {text}"))
found = {}
for name in names:
    layer = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
    where, applied = layer.loadDefaultStyle()
    found[name] = {
        "valid": layer.isValid(),
        "style": bool(applied),
        "count": layer.featureCount(),
        "error": layer.error().message(),
        "colours": [],
    }
    if layer.isSpatial() and layer.featureCount() > 0:
        settings = QgsMapSettings()
        settings.setLayers([layer])
        settings.setBackgroundColor(QColor("white"))
        settings.setOutputSize(QSize(300, 240))
        settings.setDestinationCrs(layer.crs())
        extent = layer.extent()
        extent.scale(1.1)
        settings.setExtent(extent)
        job = QgsMapRendererParallelJob(settings)
        job.start()
        job.waitForFinished()
        image = job.renderedImage()
        image.save(os.path.join(folder, f"{name.partition('|')[0]}.png"))
        found[name]["colours"] = sorted(
            {QColor(image.pixel(x, y)).name() for x in range(image.width()) for y in range(image.height())}
        )
        found[name]["failed"] = [str(error.message) for error in job.errors()]
print(json.dumps({"layers": found, "told": told}))
sys.stdout.flush()
os._exit(0)  # its libraries fall over each other when they are taken down one by one
