<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de">
<context>
    <name>Rsic</name>
    <message>
        <location filename="../actions.py"/>
        <source>Compare with an archive...</source>
        <translation>Mit einem Archiv vergleichen...</translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Archive a folder...</source>
        <translation>Einen Ordner archivieren...</translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Install the engine...</source>
        <translation>Programm installieren...</translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>The program that does the work is not installed yet.</source>
        <translation>Das Programm, das die Arbeit macht, ist noch nicht installiert.</translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Archive with RSIC...</source>
        <translation>Mit RSIC archivieren...</translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Show repaired</source>
        <translation>Repariert anzeigen</translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Archive to show repaired</source>
        <translation>Archiv, das repariert angezeigt wird</translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>Input and output are the same file: choose another output.</source>
        <translation>Eingabe und Ausgabe sind dieselbe Datei: bitte eine andere Ausgabe wählen.</translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>{stage}: about {time} left</source>
        <translation>{stage}: noch etwa {time}</translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>Cancelled: nothing was written.</source>
        <translation>Abgebrochen: Es wurde nichts geschrieben.</translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>Engine: rsic {version}, {program} ({origin})</source>
        <translation>Programm: rsic {version}, {program} ({origin})</translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>The name of an archive of this codec ends in {extension}.</source>
        <translation>Der Name eines Archivs dieses Codecs endet auf {extension}.</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Setup</source>
        <translation>Einrichtung</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>install,doctor,settings,test,diagnose,gpu,cuda,version</source>
        <translation>installieren,einrichten,einstellungen,prüfen,diagnose,gpu,cuda,version</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Check engine</source>
        <translation>Programm prüfen</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Says whether the program rsic is there and works, and what to do if not.</source>
        <translation>Sagt, ob das Programm rsic da ist und arbeitet, und was zu tun ist, wenn nicht.</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Finds the program rsic, asks it what it can do, and lets it examine itself: libraries, drivers, GPU, networks, disk space.

It is searched for in Settings &gt; Options &gt; RSIC, the environment variable RSIC_ENGINE, PATH, and the folder .venv of the checkout this plugin is linked from, in this order. To try another one, give the path of its rsic, of a Python that has it, or of their environment's folder.

Outputs: a page with what was found and what to do, whether all is well, and the engine's version (empty without an engine). That something is missing is a result, not a failure of the algorithm.</source>
        <translation>Sucht das Programm rsic, fragt es, was es kann, und lässt es sich selbst untersuchen: Bibliotheken, Treiber, GPU, Netze, Speicherplatz.

Gesucht wird es der Reihe nach unter Einstellungen &gt; Optionen &gt; RSIC, in der Umgebungsvariable RSIC_ENGINE, im PATH und im Ordner .venv des Arbeitsverzeichnisses, aus dem diese Erweiterung verknüpft ist. Um ein anderes zu versuchen, wird der Pfad seines rsic, eines Python, das es hat, oder des Ordners ihrer Umgebung angegeben.

Ausgaben: eine Seite mit dem, was gefunden wurde und zu tun ist, ob alles in Ordnung ist, und die Version des Programms (leer, wo keines ist). Dass etwas fehlt, ist ein Ergebnis und kein Scheitern des Algorithmus.</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>What to do:</source>
        <translation>Was zu tun ist:</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>1. Have Python 3.11 or newer; that of QGIS is not used.</source>
        <translation>1. Python 3.11 oder neuer bereithalten; das von QGIS wird nicht benutzt.</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>2. In a terminal, make an environment for the engine (python -m venv rsic-engine) and install the Python package rsic-geo into it (rsic-engine/bin/pip install FOLDER, on Windows rsic-engine\Scripts\pip; FOLDER is that of its source).</source>
        <translation>2. In einem Terminal eine Umgebung für das Programm anlegen (python -m venv rsic-engine) und das Python-Paket rsic-geo in ihr installieren (rsic-engine/bin/pip install ORDNER, unter Windows rsic-engine\Scripts\pip; ORDNER ist der seiner Quellen).</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>3. Give the path of that environment in Settings &gt; Options &gt; RSIC, and press Test.</source>
        <translation>3. Den Pfad dieser Umgebung unter Einstellungen &gt; Optionen &gt; RSIC angeben und auf Testen drücken.</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>4. Run Check engine again: it says whether all the engine needs is there.</source>
        <translation>4. „Programm prüfen“ noch einmal ausführen: Es sagt, ob alles da ist, was das Programm braucht.</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Program</source>
        <translation>Programm</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Found by</source>
        <translation>Gefunden durch</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Version</source>
        <translation>Version</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Codecs</source>
        <translation>Codecs</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Networks</source>
        <translation>Netze</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Devices</source>
        <translation>Geräte</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Empty: the one the other algorithms use.</source>
        <translation>Leer: das, das die anderen Algorithmen benutzen.</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Report</source>
        <translation>Bericht</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>All is well</source>
        <translation>Alles in Ordnung</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Version of the engine</source>
        <translation>Version des Programms</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Engine to check</source>
        <translation>Zu prüfendes Programm</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>HTML file</source>
        <translation>HTML-Datei</translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>All files</source>
        <translation>Alle Dateien</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Quality</source>
        <translation>Qualität</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>difference,psnr,rmse,quality,metadata,verify,equal,report</source>
        <translation>unterschied,psnr,rmse,qualität,metadaten,prüfen,gleich,bericht</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compare scenes</source>
        <translation>Szenen vergleichen</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compares pixels and every piece of metadata, and shows both scenes side by side.</source>
        <translation>Vergleicht Pixel und sämtliche Metadaten und zeigt beide Szenen nebeneinander.</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compares every pixel and every piece of metadata of a raster with a reference. An archive is compared by what it decompresses to.

PSNR is of the worst band, over the pixels that are valid in the reference. It is relative to 255 for bytes, of which red, green and blue count as one band, else to the bits the file tells of or to the range a band uses; it is empty where both are equal. Scenes agree where pixels and metadata are equal, or where the pixels are within the bounds given.

MS-SSIM (1 = alike) and GMSD (0 = alike) say how alike both look. They are measured where they are chosen: that takes longer, and holds both scenes in memory.

Outputs: a page with the numbers of every band, all differences in metadata, and pictures side by side with their difference; PSNR, RMSE, mean and largest error, samples that differ, number of differences in metadata, MS-SSIM and GMSD if they were chosen, and whether the scenes agree.</source>
        <translation>Vergleicht jedes Pixel und sämtliche Metadaten eines Rasters mit einer Referenz. Bei einem Archiv zählt, was es entpackt ergibt.

PSNR ist die des schlechtesten Kanals, über die Pixel, die in der Referenz gültig sind. Sie bezieht sich bei Bytes auf 255 (Rot, Grün und Blau zählen dort als ein Kanal), sonst auf die Bits, die die Datei nennt, oder auf den Bereich, den ein Kanal nutzt; sie ist leer, wenn beide gleich sind. Szenen stimmen überein, wenn Pixel und Metadaten gleich sind oder die Pixel innerhalb der angegebenen Grenzen liegen.

MS-SSIM (1 = gleich) und GMSD (0 = gleich) sagen, wie ähnlich beide aussehen. Gemessen werden sie, wenn sie gewählt sind: Das dauert länger und hält beide Szenen im Arbeitsspeicher.

Ausgaben: eine Seite mit den Zahlen jedes Kanals, allen Unterschieden der Metadaten und Bildern nebeneinander mit ihrem Unterschied; PSNR, RMSE, mittlerer und größter Fehler, Zahl der abweichenden Werte, Zahl der Unterschiede der Metadaten, gegebenenfalls MS-SSIM und GMSD, und ob die Szenen übereinstimmen.</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compare what a damaged scene still holds</source>
        <translation>Vergleichen, was eine beschädigte Szene noch enthält</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>More measures</source>
        <translation>Weitere Maße</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Metadata fields to leave out</source>
        <translation>Auszulassende Metadatenfelder</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Both are stretched alike. Differences are amplified, each picture as far as it allows: the bar below it goes from none to the share of the range shown that its caption names. Archives are shown as other programs show them, not repaired.</source>
        <translation>Beide sind gleich gestreckt. Unterschiede sind verstärkt, jedes Bild so weit, wie es geht: Der Balken darunter reicht von keinem bis zu dem Anteil des gezeigten Wertebereichs, den die Bildunterschrift nennt. Archive erscheinen, wie andere Programme sie zeigen, nicht repariert.</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Reference</source>
        <translation>Referenz</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compared with</source>
        <translation>Verglichen mit</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Empty: pixels are to be equal.</source>
        <translation>Leer: Die Pixel sollen gleich sein.</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Largest error to agree</source>
        <translation>Größter Fehler, der noch übereinstimmt</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Otherwise a scene whose reader reports damage is an error.</source>
        <translation>Sonst ist eine Szene, deren Leser Schäden meldet, ein Fehler.</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>PSNR, RMSE, mean and largest error are always there.</source>
        <translation>PSNR, RMSE, mittlerer und größter Fehler sind immer dabei.</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Names as the report shows them, separated by commas.</source>
        <translation>Namen, wie der Bericht sie zeigt, durch Kommas getrennt.</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>PSNR, of archives when decompressed (dB)</source>
        <translation>PSNR, von Archiven nach dem Entpacken (dB)</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>RMSE</source>
        <translation>RMSE</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Mean error</source>
        <translation>Mittlerer Fehler</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Largest error</source>
        <translation>Größter Fehler</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Samples that differ</source>
        <translation>Abweichende Werte</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Differences in metadata</source>
        <translation>Unterschiede der Metadaten</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Scenes agree</source>
        <translation>Szenen stimmen überein</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>The scenes agree.</source>
        <translation>Die Szenen stimmen überein.</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>The scenes differ.</source>
        <translation>Die Szenen unterscheiden sich.</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Lowest PSNR to agree (dB)</source>
        <translation>Kleinste PSNR, die noch übereinstimmt (dB)</translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Side by side</source>
        <translation>Nebeneinander</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Compression</source>
        <translation>Kompression</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>archive,jpeg 2000,jp2,lossless,shrink,raster,convert,codec</source>
        <translation>archiv,jpeg 2000,jp2,verlustfrei,verkleinern,raster,umwandeln,codec,komprimieren</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Compress scene</source>
        <translation>Szene komprimieren</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Writes a scene as a smaller archive, JPEG 2000 or COG, that every GIS opens.</source>
        <translation>Schreibt eine Szene als kleineres Archiv, JPEG 2000 oder COG, das jedes GIS öffnet.</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Writes a raster as an archive. With the codec jp2 that is a plain GeoJP2 file, with cog a Cloud Optimized GeoTIFF, which every GIS opens, with one part more that holds what is needed to give the scene back complete (metadata, nodata, masks) and repaired. Archives of other codecs show every GIS a georeferenced preview; Decompress scene gives the scene back.

lossless gives back every pixel. The other targets are about the final result and are checked by decoding what was written: psnr=40 is as small as 40 dB allow, never less than 40 dB in the worst band. PSNR is relative to 255 for bytes, else to the bits the file tells of or to the range a band uses; what that means in the units of the scene is told. A band that ends below 20 dB SNR is named in a warning; one that loses its structure is an error, unless that is accepted.

JPEG 2000 holds samples of 8 or 16 bits, and numbers with decimals within a largest error; the codec cog holds samples of every type, without loss or within a largest error. auto goes by the name of the archive: .jp2 or .cog.tif. Layers that are no files (WMS, layers in memory) are to be saved first. An extent is not possible for scenes placed by control points alone.

Outputs: the archive as a layer; PSNR of that layer, which shows the codec's pixels, and PSNR, SNR (both of the worst band) and largest error of the scene that Decompress scene gives back, repaired where the archive names a network; these are empty where every pixel comes back. The compression ratio, bits per pixel of all bands, bytes of the archive and of the files beside it that tell other programs of nodata, scale and the like.</source>
        <translation>Schreibt ein Raster als Archiv. Mit dem Codec jp2 ist das eine gewöhnliche GeoJP2-Datei, mit cog ein Cloud Optimized GeoTIFF, die jedes GIS öffnet, mit einem Abschnitt mehr, der enthält, was nötig ist, um die Szene vollständig (Metadaten, Leerwerte, Masken) und ausgebessert zurückzugeben. Archive anderer Codecs zeigen jedem GIS eine georeferenzierte Vorschau; „Szene entpacken“ gibt die Szene zurück.

lossless gibt jedes Pixel zurück. Die anderen Ziele gelten dem Endergebnis und werden geprüft, indem das Geschriebene entpackt wird: psnr=40 ist so klein, wie 40 dB es zulassen, und nie schlechter als 40 dB im schlechtesten Kanal. PSNR bezieht sich bei Bytes auf 255, sonst auf die Bits, die die Datei nennt, oder auf den Bereich, den ein Kanal nutzt; was das in den Einheiten der Szene heißt, wird gesagt. Ein Kanal, der unter 20 dB SNR endet, wird in einer Warnung genannt; einer, der seine Struktur verliert, ist ein Fehler, außer das ist erlaubt.

JPEG 2000 fasst Werte von 8 oder 16 Bit, und Kommazahlen bis auf einen größten Fehler; der Codec cog fasst Werte jeden Typs, verlustfrei oder bis auf einen größten Fehler. auto richtet sich nach dem Namen des Archivs: .jp2 oder .cog.tif. Layer, die keine Dateien sind (WMS, Layer im Speicher), müssen erst gespeichert werden. Bei Szenen, die nur durch Passpunkte verortet sind, ist keine Ausdehnung möglich.

Ausgaben: das Archiv als Layer; PSNR dieses Layers, der die Pixel des Codecs zeigt, sowie PSNR, SNR (beide des schlechtesten Kanals) und größter Fehler der Szene, die „Szene entpacken“ zurückgibt, ausgebessert, wo das Archiv ein Netz nennt; sie sind leer, wo jedes Pixel zurückkommt. Das Kompressionsverhältnis, Bits je Pixel aller Kanäle, Bytes des Archivs und der Dateien daneben, die anderen Programmen von Leerwerten, Skalierung und dergleichen sagen.</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Nodata value</source>
        <translation>Leerwert</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>archive</source>
        <translation>Archiv</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>The layer is a preview: only Decompress scene gives the scene itself.</source>
        <translation>Der Layer ist eine Vorschau: Erst „Szene entpacken“ gibt die Szene selbst.</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Scene</source>
        <translation>Szene</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Of all bands, instead of the scene's own. Empty: as the scene says.</source>
        <translation>Aller Kanäle, statt des eigenen der Szene. Leer: wie die Szene sagt.</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Archive</source>
        <translation>Archiv</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Compression ratio</source>
        <translation>Kompressionsverhältnis</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the layer as it is shown (dB)</source>
        <translation>PSNR des Layers, wie er gezeigt wird (dB)</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the scene given back (dB)</source>
        <translation>PSNR der zurückgegebenen Szene (dB)</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>SNR of the scene given back, worst band (dB)</source>
        <translation>SNR der zurückgegebenen Szene, schlechtester Kanal (dB)</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Largest error of the scene given back</source>
        <translation>Größter Fehler der zurückgegebenen Szene</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Bits per pixel</source>
        <translation>Bit pro Pixel</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Bytes</source>
        <translation>Bytes</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Bytes of files beside the archive</source>
        <translation>Bytes der Dateien neben dem Archiv</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>{size:,.0f} bytes, {ratio:.2f} times smaller</source>
        <translation>{size:,.0f} Bytes, {ratio:.2f}-mal kleiner</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Lossless: every pixel comes back.</source>
        <translation>Verlustfrei: Jedes Pixel kommt zurück.</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Files beside it, which belong to it: {size:,.0f} bytes</source>
        <translation>Dateien daneben, die dazugehören: {size:,.0f} Bytes</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>SNR of the bands (dB): {bands}</source>
        <translation>SNR der Kanäle (dB): {bands}</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Other programs do not see: {what}</source>
        <translation>Andere Programme sehen nicht: {what}</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Every sample of the scene comes back as it was.</source>
        <translation>Jeder Wert der Szene kommt zurück, wie er war.</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>How good the pixels are was not measured.</source>
        <translation>Wie gut die Pixel sind, wurde nicht gemessen.</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the repaired scene, which Decompress scene gives back: {psnr:.2f} dB</source>
        <translation>PSNR der ausgebesserten Szene, die „Szene entpacken“ zurückgibt: {psnr:.2f} dB</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the layer, which shows the codec's pixels: {psnr:.2f} dB</source>
        <translation>PSNR des Layers, der die Pixel des Codecs zeigt: {psnr:.2f} dB</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the layer and of the scene that Decompress scene gives back: {psnr:.2f} dB</source>
        <translation>PSNR des Layers und der Szene, die „Szene entpacken“ zurückgibt: {psnr:.2f} dB</translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the scene that Decompress scene gives back: {psnr:.2f} dB</source>
        <translation>PSNR der Szene, die „Szene entpacken“ zurückgibt: {psnr:.2f} dB</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>archive,jpeg 2000,jp2,restore,extract,decode,raster,geotiff,cog</source>
        <translation>archiv,jpeg 2000,jp2,wiederherstellen,entpacken,dekodieren,raster,geotiff,cog</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Decompress scene</source>
        <translation>Szene entpacken</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Gives an archived scene back as GeoTIFF, complete and repaired.</source>
        <translation>Gibt eine archivierte Szene als GeoTIFF zurück, vollständig und ausgebessert.</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Gives back the scene of an archive as GeoTIFF or COG: pixels, nodata, masks, georeferencing and every piece of metadata it had.

auto repairs what the codec broke as the archive says, with the network it names; off gives the pixels the codec kept, as other programs show them. A lossless archive comes back exactly either way. A JPEG 2000 file of another program is decoded too, as it is; Enhance lossy raster repairs it.

Bands, an extent or a smaller level give that part of the whole; only what is needed for it is decoded. An extent is not possible for scenes placed by control points alone.

Outputs: the scene as a layer, and whether it was enhanced. Enhanced pixels are for looking at; keep lossless archives for measuring.</source>
        <translation>Gibt die Szene eines Archivs als GeoTIFF oder COG zurück: Pixel, Leerwerte, Masken, Georeferenz und sämtliche Metadaten, die sie hatte.

auto bessert aus, was der Codec zerstört hat, wie das Archiv es vorgibt und mit dem Netz, das es nennt; off gibt die Pixel, die der Codec behielt, wie andere Programme sie zeigen. Ein verlustfreies Archiv kommt in beiden Fällen genau zurück. Auch eine JPEG-2000-Datei eines anderen Programms wird entpackt, so wie sie ist; „Verlustbehaftetes Raster verbessern“ bessert sie aus.

Kanäle, eine Ausdehnung oder eine kleinere Stufe geben diesen Teil des Ganzen; nur was dafür nötig ist, wird entpackt. Bei Szenen, die nur durch Passpunkte verortet sind, ist keine Ausdehnung möglich.

Ausgaben: die Szene als Layer, und ob sie verbessert wurde. Verbesserte Pixel sind zum Ansehen; zum Messen sind verlustfreie Archive da.</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Accept another version of the network</source>
        <translation>Andere Version des Netzes zulassen</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>decompressed</source>
        <translation>entpackt</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>auto: as the archive says. off: not at all. Or with the network named.</source>
        <translation>auto: wie das Archiv es vorgibt. off: gar nicht. Oder mit dem genannten Netz.</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>0 is full size, 1 half as wide and high, 2 a quarter. From 1 on the codec's own levels are read, which is fast, and nothing is repaired.</source>
        <translation>0 ist die volle Größe, 1 halb so breit und hoch, 2 ein Viertel. Ab 1 werden die eigenen Stufen des Codecs gelesen, was schnell geht, und nichts wird ausgebessert.</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Pixels were repaired</source>
        <translation>Pixel wurden ausgebessert</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Pixels were repaired.</source>
        <translation>Die Pixel wurden ausgebessert.</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Pixels are as the codec kept them.</source>
        <translation>Die Pixel sind so, wie der Codec sie behielt.</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Repair</source>
        <translation>Ausbesserung</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Halvings of the size</source>
        <translation>Halbierungen der Größe</translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>The quality the archive promises is then not certain.</source>
        <translation>Die Qualität, die das Archiv verspricht, ist dann nicht sicher.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Enhancement</source>
        <translation>Verbesserung</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>repair,restore,artifacts,deblock,denoise,neural network,deep learning,jpeg,webp,jpeg 2000,quality</source>
        <translation>ausbessern,wiederherstellen,artefakte,entrauschen,neuronales netz,deep learning,jpeg,webp,jpeg 2000,qualität</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Enhance lossy raster</source>
        <translation>Verlustbehaftetes Raster verbessern</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Repairs what JPEG, JPEG 2000, WebP or another lossy codec broke.</source>
        <translation>Bessert aus, was JPEG, JPEG 2000, WebP oder ein anderer verlustbehafteter Codec zerstört hat.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Repairs a raster that went through a lossy codec (JPEG 2000, JPEG, WebP, JPEG XL, LERC) with a neural network. The raster is to be the lossy file itself: a copy that was stored losslessly no longer tells how much was lost.

Without the original nobody can prove that the result is better: the strength is estimated, with caution, and the output says what was done to it. Enhanced pixels are for looking at; keep the input for measuring.

The raster is enhanced in windows that leave no seam and need little memory. Bands or an extent give that part of what the whole raster would become. An archive of this plugin is decompressed, with the network and the strengths it holds.

Outputs: the raster as a layer, if wanted a layer with what was added to each sample, and the name of the network.</source>
        <translation>Bessert mit einem neuronalen Netz ein Raster aus, das durch einen verlustbehafteten Codec ging (JPEG 2000, JPEG, WebP, JPEG XL, LERC). Das Raster soll die verlustbehaftete Datei selbst sein: Eine Kopie, die verlustfrei gespeichert wurde, verrät nicht mehr, wie viel verloren ging.

Ohne das Original kann niemand beweisen, dass das Ergebnis besser ist: Die Stärke wird vorsichtig geschätzt, und die Ausgabe sagt, was mit ihr geschah. Verbesserte Pixel sind zum Ansehen; zum Messen ist die Eingabe da.

Das Raster wird in Fenstern verbessert, die keine Naht hinterlassen und wenig Speicher brauchen. Kanäle oder eine Ausdehnung geben diesen Teil dessen, was aus dem ganzen Raster würde. Ein Archiv dieser Erweiterung wird entpackt, mit dem Netz und den Stärken, die es enthält.

Ausgaben: das Raster als Layer, auf Wunsch ein Layer mit dem, was zu jedem Wert hinzukam, und der Name des Netzes.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>File of weights</source>
        <translation>Datei mit Gewichten</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Window (pixels)</source>
        <translation>Fenster (Pixel)</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>The window is to be a multiple of 64 pixels.</source>
        <translation>Das Fenster soll ein Vielfaches von 64 Pixeln sein.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>enhanced</source>
        <translation>verbessert</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Lossy raster</source>
        <translation>Verlustbehaftetes Raster</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>auto takes the best of the engine's networks for the raster. rsic-linear is none and needs an original: it is for compressing.</source>
        <translation>auto nimmt das beste der Netze des Programms für das Raster. rsic-linear ist keines und braucht ein Original: es ist zum Komprimieren da.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Share of the correction to apply, 0 to 1.5; empty to let the engine estimate it.</source>
        <translation>Anteil der Korrektur, der angewandt wird, 0 bis 1,5; leer, damit das Programm ihn schätzt.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>No sample is changed by more. Empty for no bound.</source>
        <translation>Kein Wert wird um mehr geändert. Leer für keine Grenze.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Enhanced</source>
        <translation>Verbessert</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>What was added to each sample: the enhanced raster minus the input.</source>
        <translation>Was zu jedem Wert hinzukam: das verbesserte Raster minus die Eingabe.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Network that was used</source>
        <translation>Benutztes Netz</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>change</source>
        <translation>Änderung</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Network</source>
        <translation>Netz</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Strength</source>
        <translation>Stärke</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Largest change (digital numbers)</source>
        <translation>Größte Änderung (Grauwerte)</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>A network of your own, as rsic_geo.training writes it; instead of the one above.</source>
        <translation>Ein eigenes Netz, wie rsic_geo.training es schreibt, statt des obigen.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>A multiple of 64; empty for the engine's default.</source>
        <translation>Ein Vielfaches von 64; leer für die Vorgabe des Programms.</translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Change</source>
        <translation>Änderung</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Everything the engine knows about the result, with SHA-256 of input and output.</source>
        <translation>Alles, was das Programm über das Ergebnis weiß, mit SHA-256 von Eingabe und Ausgabe.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Memory for raster cache</source>
        <translation>Speicher für den Raster-Cache</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Threads (0 = all cores)</source>
        <translation>Threads (0 = alle Kerne)</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Device of the network</source>
        <translation>Gerät des Netzes</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>auto takes a GPU where there is one the engine can use.</source>
        <translation>auto nimmt eine GPU, wo das Programm eine benutzen kann.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Network at half precision</source>
        <translation>Netz mit halber Genauigkeit</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>About twice as fast; no sample differs by more than a digital number of 8 bits.</source>
        <translation>Etwa doppelt so schnell; kein Wert weicht um mehr als einen Grauwert von 8 Bit ab.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Accept a floating-point scene</source>
        <translation>Szene mit Gleitkommazahlen zulassen</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Archive a damaged scene as it can still be read</source>
        <translation>Eine beschädigte Szene so archivieren, wie sie noch lesbar ist</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Verify by decoding what was written</source>
        <translation>Prüfen, indem das Geschriebene entpackt wird</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Overview for networks</source>
        <translation>Übersicht für Netzwerke</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Seal the repaired pixels</source>
        <translation>Reparierte Pixel versiegeln</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Accept that a band loses its structure</source>
        <translation>Zulassen, dass ein Kanal seine Struktur verliert</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>The engine's usual one, as long as it has not said which it has.</source>
        <translation>Der übliche des Programms, solange es nicht gesagt hat, welche es hat.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Creation options</source>
        <translation>Erstellungsoptionen</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>None chosen means all.</source>
        <translation>Keiner gewählt heißt alle.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Empty: all of the raster. It is rounded to whole pixels; nothing is resampled.</source>
        <translation>Leer: das ganze Raster. Sie wird auf ganze Pixel gerundet; nichts wird umgerechnet.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>JSON file</source>
        <translation>JSON-Datei</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>As 512 (MiB), 2GB or 10%; empty for the engine's default.</source>
        <translation>Als 512 (MiB), 2GB oder 10%; leer für die Vorgabe des Programms.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>auto takes the best of the engine's networks for the scene, none stores the codec's pixels as they are.</source>
        <translation>auto nimmt das beste der Netze des Programms für die Szene, none speichert die Pixel des Codecs, wie sie sind.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>How long writing and reading may take, where something may be lost. fast: the scene's own filter alone. normal: the smallest network. best: a larger network and a longer search.</source>
        <translation>Wie lange Schreiben und Lesen dauern dürfen, wo etwas verloren gehen darf. fast: nur der eigene Filter der Szene. normal: das kleinste Netz. best: ein größeres Netz und eine längere Suche.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>rotated: what bands have in common is stored once, which saves a fifth or more where there are four or more of them, without loss a twentieth or more; other programs, and this one without rsic, then show the bands by the .vrt file beside the archive. auto: rotated where a trial saves 15 %, without loss 5 %.</source>
        <translation>rotated: Was die Kanäle gemeinsam haben, wird einmal gespeichert; das spart ein Fünftel oder mehr, wo es vier oder mehr gibt, ohne Verlust ein Zwanzigstel oder mehr. Andere Programme, und dieses ohne rsic, zeigen die Kanäle dann durch die .vrt-Datei neben dem Archiv. auto: rotated, wo ein Versuch 15 % spart, ohne Verlust 5 %.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>It is stored by JPEG 2000 as uint16 with a scale and an offset, which is not lossless; the codec cog needs no such choice.</source>
        <translation>JPEG 2000 speichert sie als uint16 mit Maßstab und Versatz, was nicht verlustfrei ist; der Codec cog braucht diese Einstellung nicht.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>They carry what other programs cannot read from the archive itself: a mask (.msk), scale, units and the like (.aux.xml), and belong to it.</source>
        <translation>Sie enthalten, was andere Programme nicht aus dem Archiv selbst lesen können: eine Maske (.msk), Skalierung, Einheiten und dergleichen (.aux.xml), und gehören zu ihm.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Parts of a JPEG 2000 archive by which other programs find its place: both take a kilobyte, geojp2 alone 0.4, gml alone 0.7. Which of them a program reads differs: QGIS reads either.</source>
        <translation>Teile eines JPEG-2000-Archivs, an denen andere Programme seine Lage erkennen: beide brauchen ein Kilobyte, geojp2 allein 0,4, gml allein 0,7. Welchen davon ein Programm liest, ist verschieden: QGIS liest jeden.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>A small .ovr beside a .jp2: fewer requests for a thumbnail from afar, slower on a disk.</source>
        <translation>Eine kleine .ovr-Datei neben einer .jp2-Datei: weniger Anfragen für ein Vorschaubild aus der Ferne, langsamer auf einer Platte.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Keeps a checksum of every 256 rows of the repaired scene: whoever decompresses or validates the archive, on whatever machine, is told whether the pixels are the same bits.</source>
        <translation>Bewahrt je 256 Zeilen der reparierten Szene eine Prüfsumme auf: Wer das Archiv entpackt oder prüft, erfährt auf jedem Rechner, ob die Pixel Bit für Bit dieselben sind.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>The archive and the report note the damage. Otherwise such a scene fails.</source>
        <translation>Archiv und Bericht vermerken den Schaden. Sonst schlägt eine solche Szene fehl.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>A band below 6 dB SNR has no structure left: that is an error unless it is accepted here. Below 20 dB it is named in a warning.</source>
        <translation>Ein Kanal unter 6 dB SNR hat keine Struktur mehr: Das ist ein Fehler, außer es wird hier zugelassen. Unter 20 dB wird er in einer Warnung genannt.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Archives of each codec have a name of their own: {names}.</source>
        <translation>Archive jedes Codecs haben ihre eigene Endung: {names}.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>NAME=VALUE as GDAL takes them, separated by |, such as COMPRESS=LZW|BIGTIFF=YES.</source>
        <translation>NAME=WERT, wie GDAL sie nimmt, durch | getrennt, etwa COMPRESS=LZW|BIGTIFF=YES.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Bands</source>
        <translation>Kanäle</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Extent</source>
        <translation>Ausdehnung</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Target</source>
        <translation>Ziel</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>lossless: every pixel comes back. Otherwise the archive is as small as the target allows, or has the size asked for within 2 %. Qualities and mean errors are those of the worst band. Checked by decoding.</source>
        <translation>lossless: Jedes Pixel kommt zurück. Sonst ist das Archiv so klein, wie das Ziel es zulässt, oder hat die verlangte Größe auf 2 % genau. Qualitäten und mittlere Fehler sind die des schlechtesten Kanals. Durch Entpacken geprüft.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Value of the target (dB, digital numbers, %, ratio, bits)</source>
        <translation>Wert des Ziels (dB, Grauwerte, %, Verhältnis, Bit)</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Network whose repair the archive promises</source>
        <translation>Netz, dessen Ausbesserung das Archiv verspricht</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Codec</source>
        <translation>Codec</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Effort</source>
        <translation>Aufwand</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Codec tile (pixels)</source>
        <translation>Codec-Kachel (Pixel)</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Bands in the archive</source>
        <translation>Kanäle im Archiv</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Files for other programs beside the archive</source>
        <translation>Dateien für andere Programme neben dem Archiv</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Place for other programs</source>
        <translation>Lage für andere Programme</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>The target {target} needs a value above 0.</source>
        <translation>Das Ziel {target} braucht einen Wert über 0.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>The codec {codec} is not lossless: choose another target, or another codec.</source>
        <translation>Der Codec {codec} ist nicht verlustfrei: bitte ein anderes Ziel oder einen anderen Codec wählen.</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Output format</source>
        <translation>Ausgabeformat</translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Not used for lossless. Usual for three bands of bytes: {values}.</source>
        <translation>Nicht für lossless. Üblich für drei Kanäle von Bytes: {values}.</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>batch,folder,directory,many,bulk,store,migrate,jpeg 2000,compress</source>
        <translation>stapel,ordner,verzeichnis,viele,archivieren,umziehen,jpeg 2000,komprimieren</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Re-encode folder</source>
        <translation>Ordner neu kodieren</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Archives every scene of a folder, and goes on where it was stopped.</source>
        <translation>Archiviert jede Szene eines Ordners und macht weiter, wo es angehalten wurde.</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Archives every scene of a folder into another folder, which mirrors its subfolders. Sources are only read. Nothing that exists is overwritten. Every archive is verified by decoding it before it appears under its name.

What was finished is written to a ledger in the output folder: run again with the same settings, scenes that are done are skipped, and those that failed are tried again. A scene that fails stops no other. The ledger rsic-batch.gpkg is a layer of footprints with the state of every scene; older engines keep a plain list.

Outputs: a table with one line per scene, how many are done, skipped and failed (an output name that is taken by something else counts as failed), the compression ratio of all, and the ledger.</source>
        <translation>Archiviert jede Szene eines Ordners in einen anderen Ordner, der dessen Unterordner nachbildet. Quellen werden nur gelesen. Nichts Vorhandenes wird überschrieben. Jedes Archiv wird geprüft, indem es entpackt wird, bevor es unter seinem Namen erscheint.

Was fertig ist, steht in einem Verzeichnis im Ausgabeordner: Beim nächsten Lauf mit denselben Einstellungen werden fertige Szenen übersprungen und gescheiterte noch einmal versucht. Eine Szene, die scheitert, hält keine andere auf. Das Verzeichnis rsic-batch.gpkg ist ein Layer der Umrisse mit dem Zustand jeder Szene; ältere Programme führen eine einfache Liste.

Ausgaben: eine Tabelle mit einer Zeile je Szene, wie viele fertig, übersprungen und gescheitert sind (ein Ausgabename, den schon etwas anderes trägt, zählt als gescheitert), das Kompressionsverhältnis aller und das Verzeichnis.</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes at a time</source>
        <translation>Szenen gleichzeitig</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Folder of scenes</source>
        <translation>Ordner der Szenen</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Patterns separated by semicolons; * stands for any letters.</source>
        <translation>Muster, durch Strichpunkte getrennt; * steht für beliebige Zeichen.</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Subfolders too</source>
        <translation>Auch Unterordner</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Without it every output that exists counts as failed.</source>
        <translation>Ohne dies zählt jede vorhandene Ausgabe als gescheitert.</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Each needs memory and a processor core of its own.</source>
        <translation>Jede braucht eigenen Speicher und einen eigenen Prozessorkern.</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Folder of archives</source>
        <translation>Ordner der Archive</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Summary</source>
        <translation>Zusammenfassung</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes archived</source>
        <translation>Archivierte Szenen</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes that were done before</source>
        <translation>Szenen, die schon fertig waren</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes that failed</source>
        <translation>Gescheiterte Szenen</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Ledger</source>
        <translation>Verzeichnis</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>No scene in this folder has a name of these patterns.</source>
        <translation>Keine Szene in diesem Ordner hat einen Namen nach diesen Mustern.</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes of {folder}</source>
        <translation>Szenen von {folder}</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>{failed} of {total} scenes have no archive: they are selected in the layer {layer}.</source>
        <translation>{failed} von {total} Szenen haben kein Archiv: Sie sind im Layer {layer} ausgewählt.</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>File names</source>
        <translation>Dateinamen</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Go on where an earlier run stopped</source>
        <translation>Weitermachen, wo ein früherer Lauf aufhörte</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>CSV file</source>
        <translation>CSV-Datei</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>{done} done, {skipped} done before, {failed} failed</source>
        <translation>{done} fertig, {skipped} schon vorher fertig, {failed} gescheitert</translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>{failed} of {total} scenes failed; the table and the ledger say why.</source>
        <translation>{failed} von {total} Szenen sind gescheitert; die Tabelle und das Verzeichnis sagen, warum.</translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>There is no raster {name}.</source>
        <translation>Es gibt kein Raster {name}.</translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is no raster that can be opened.</source>
        <translation>{name} ist kein Raster, das sich öffnen lässt.</translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is no file but a layer of the provider {provider}: save it as GeoTIFF first (Export &gt; Save As, raw data) and choose that file.</source>
        <translation>{name} ist keine Datei, sondern ein Layer des Anbieters {provider}: bitte erst als GeoTIFF speichern (Export &gt; Speichern als, Rohdaten) und diese Datei wählen.</translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is only in QGIS's memory: save it as GeoTIFF first and choose that file.</source>
        <translation>{name} ist nur im Speicher von QGIS: bitte erst als GeoTIFF speichern und diese Datei wählen.</translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is on another machine: copy it to a local file first.</source>
        <translation>{name} liegt auf einem anderen Rechner: bitte erst in eine lokale Datei kopieren.</translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is there, but you may not read it.</source>
        <translation>{name} ist da, darf aber nicht gelesen werden.</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>check,checksum,damage,integrity,archive,jp2,jpeg 2000</source>
        <translation>prüfen,prüfsumme,schaden,unversehrt,archiv,jp2,jpeg 2000</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Validate archive</source>
        <translation>Archiv prüfen</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Checks whether an archive is whole: structure, checksums, pixels.</source>
        <translation>Prüft, ob ein Archiv heil ist: Aufbau, Prüfsummen, Pixel.</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Checks an archive byte by byte against its checksums and by decoding it. Without pixels only structure and checksums are checked, which is faster and finds damaged bytes too. A raster of another program is read through once.

Outputs: a page with what was found, whether the file is whole, and the number of problems. A damaged file is a result, not a failure of the algorithm.</source>
        <translation>Prüft ein Archiv Byte für Byte gegen seine Prüfsummen und indem es entpackt wird. Ohne Pixel werden nur Aufbau und Prüfsummen geprüft, was schneller geht und beschädigte Bytes auch findet. Ein Raster eines anderen Programms wird einmal ganz gelesen.

Ausgaben: eine Seite mit dem, was gefunden wurde, ob die Datei heil ist, und die Zahl der Mängel. Eine beschädigte Datei ist ein Ergebnis, kein Fehler des Algorithmus.</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Archives and rasters</source>
        <translation>Archive und Raster</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Without it structure and checksums only.</source>
        <translation>Ohne dies nur Aufbau und Prüfsummen.</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>The file is whole</source>
        <translation>Die Datei ist heil</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Problems</source>
        <translation>Mängel</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>No file was given.</source>
        <translation>Es wurde keine Datei angegeben.</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>The file is whole.</source>
        <translation>Die Datei ist heil.</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>The file is damaged or incomplete.</source>
        <translation>Die Datei ist beschädigt oder unvollständig.</translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Decode every pixel</source>
        <translation>Jedes Pixel entpacken</translation>
    </message>
    <message>
        <location filename="../amounts.py"/>
        <source>{count:.1f} h</source>
        <translation>{count:.1f} h</translation>
    </message>
    <message>
        <location filename="../amounts.py"/>
        <source>{count} s</source>
        <translation>{count} s</translation>
    </message>
    <message>
        <location filename="../amounts.py"/>
        <source>{count} min</source>
        <translation>{count} min</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>What matters</source>
        <translation>Worauf es ankommt</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>Trying a sample...</source>
        <translation>Probe läuft...</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>Expect about {size}, {time}.</source>
        <translation>Zu erwarten: etwa {size}, {time}.</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>as set below</source>
        <translation>wie unten eingestellt</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>Value of the target</source>
        <translation>Wert des Ziels</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>A sample could not be archived like this: {reason}.</source>
        <translation>Eine Probe ließ sich so nicht archivieren: {reason}.</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>That is for the whole scene, not for the part that is chosen.</source>
        <translation>Das gilt für die ganze Szene, nicht für den gewählten Teil.</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>unknown</source>
        <translation>unbekannt</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>Value of the target ({unit})</source>
        <translation>Wert des Ziels ({unit})</translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>The file has {size}.</source>
        <translation>Die Datei hat {size}.</translation>
    </message>
    <message>
        <location filename="../engine/batch.py"/>
        <source>There is no folder {folder}.</source>
        <translation>Es gibt keinen Ordner {folder}.</translation>
    </message>
    <message>
        <location filename="../engine/batch.py"/>
        <source>The engine's ledger {ledger} cannot be read: {reason}.</source>
        <translation>Das Verzeichnis {ledger} des Programms kann nicht gelesen werden: {reason}.</translation>
    </message>
    <message>
        <location filename="../engine/capabilities.py"/>
        <source>The program that was found is not the rsic engine: it does not say what it can do.</source>
        <translation>Das gefundene Programm ist nicht rsic: Es sagt nicht, was es kann.</translation>
    </message>
    <message>
        <location filename="../engine/capabilities.py"/>
        <source>The engine (rsic {version}) is newer than this plugin: update the plugin.</source>
        <translation>Das Programm (rsic {version}) ist neuer als diese Erweiterung: Die Erweiterung ist zu aktualisieren.</translation>
    </message>
    <message>
        <location filename="../engine/capabilities.py"/>
        <source>The engine is rsic {version}; this plugin needs {wanted} or newer: update the engine.</source>
        <translation>Das Programm ist rsic {version}; diese Erweiterung braucht {wanted} oder neuer: Das Programm ist zu aktualisieren.</translation>
    </message>
    <message>
        <location filename="../engine/capabilities.py"/>
        <source>The engine (rsic {version}) lacks {verbs}; this plugin needs {wanted} or newer: update the engine.</source>
        <translation>Dem Programm (rsic {version}) fehlt {verbs}; diese Erweiterung braucht {wanted} oder neuer: Das Programm ist zu aktualisieren.</translation>
    </message>
    <message>
        <location filename="../engine/environment.py"/>
        <source>The engine's extra environment in Settings &gt; Options &gt; RSIC has a part that is not NAME=VALUE: {part}</source>
        <translation>Die zusätzliche Umgebung des Programms unter Einstellungen &gt; Optionen &gt; RSIC hat einen Teil, der nicht NAME=WERT ist: {part}</translation>
    </message>
    <message>
        <location filename="../engine/errors.py"/>
        <source>install the Python package rsic-geo in an environment of its own (pip install, with the folder of its source) and give the path of that environment's rsic or python in Settings &gt; Options &gt; RSIC</source>
        <translation>Das Python-Paket rsic-geo in einer eigenen Umgebung installieren (pip install, mit dem Ordner seiner Quellen) und den Pfad von deren rsic oder python unter Einstellungen &gt; Optionen &gt; RSIC angeben</translation>
    </message>
    <message>
        <location filename="../engine/folder.py"/>
        <source>Input and output folder are the same: choose another output folder.</source>
        <translation>Ein- und Ausgabeordner sind derselbe: Ein anderer Ausgabeordner ist zu wählen.</translation>
    </message>
    <message>
        <location filename="../engine/folder.py"/>
        <source>The output folder cannot be used: {reason}.</source>
        <translation>Der Ausgabeordner ist nicht benutzbar: {reason}.</translation>
    </message>
    <message>
        <location filename="../engine/locate.py"/>
        <source>The rsic engine was not found.</source>
        <translation>Das Programm rsic wurde nicht gefunden.</translation>
    </message>
    <message>
        <location filename="../engine/locate.py"/>
        <source>There is no {name} ({origin}).</source>
        <translation>Es gibt kein {name} ({origin}).</translation>
    </message>
    <message>
        <location filename="../engine/locate.py"/>
        <source>The folder {path} ({origin}) holds no rsic and no Python.</source>
        <translation>Der Ordner {path} ({origin}) enthält kein rsic und kein Python.</translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>The engine printed no result: is it another program called rsic?</source>
        <translation>Das Programm gab kein Ergebnis aus: Ist es ein anderes mit dem Namen rsic?</translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>The engine failed with exit code {code}: {said}</source>
        <translation>Das Programm brach mit dem Code {code} ab: {said}</translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>{program} does not answer.</source>
        <translation>{program} antwortet nicht.</translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>{program} is not a working rsic engine ({said}).</source>
        <translation>{program} ist kein lauffähiges rsic ({said}).</translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>The engine was ended by signal 9 (out of memory?): {said}</source>
        <translation>Das Programm wurde durch das Signal 9 beendet (zu wenig Speicher?): {said}</translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>The engine was ended by signal {signal}: {said}</source>
        <translation>Das Programm wurde durch das Signal {signal} beendet: {said}</translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>{program} is not the rsic engine.</source>
        <translation>{program} ist nicht das Programm rsic.</translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>{program} cannot be started ({reason}).</source>
        <translation>{program} kann nicht gestartet werden ({reason}).</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The file is damaged: copy it again from where it came. Validate archive shows what is wrong.</source>
        <translation>Die Datei ist beschädigt: Sie ist noch einmal von ihrem Ursprung zu kopieren. „Archiv prüfen“ zeigt, was ihr fehlt.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine could not do this.</source>
        <translation>Das konnte das Programm nicht tun.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The parameters do not fit each other or this scene.</source>
        <translation>Die Parameter passen nicht zueinander oder nicht zu dieser Szene.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A scene of this kind cannot be stored like this.</source>
        <translation>Eine Szene dieser Art kann so nicht gespeichert werden.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A file is there, but it could not be read or written.</source>
        <translation>Eine Datei ist da, konnte aber nicht gelesen oder geschrieben werden.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A file was not found: was it moved, or is its disk not connected?</source>
        <translation>Eine Datei wurde nicht gefunden: Wurde sie verschoben, oder ist ihr Datenträger nicht angeschlossen?</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The scene is damaged: copy it again from where it came.</source>
        <translation>Die Szene ist beschädigt: Sie ist noch einmal von ihrem Ursprung zu kopieren.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The output exists: choose another name.</source>
        <translation>Die Ausgabe gibt es schon: Ein anderer Name ist zu wählen.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The part asked for is not inside the scene.</source>
        <translation>Der verlangte Teil liegt nicht in der Szene.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The codec failed on this scene.</source>
        <translation>Der Codec scheiterte an dieser Szene.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine has no such codec: choose another one.</source>
        <translation>Das Programm hat keinen solchen Codec: Ein anderer ist zu wählen.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The archive was made by a newer engine: update yours.</source>
        <translation>Das Archiv stammt von einem neueren Programm: Das eigene ist zu aktualisieren.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The network cannot be used: choose another one, or install the engine again.</source>
        <translation>Das Netz ist nicht benutzbar: Ein anderes wählen oder das Programm neu installieren.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine has no such network: choose another one.</source>
        <translation>Das Programm hat kein solches Netz: Ein anderes ist zu wählen.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine has another version of the network of this archive.</source>
        <translation>Das Programm hat eine andere Fassung des Netzes dieses Archivs.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine lacks a Python package for this: Check engine says more.</source>
        <translation>Dem Programm fehlt dafür ein Python-Paket: „Programm prüfen“ sagt mehr.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>What was written is not what it has to be, so nothing was kept.</source>
        <translation>Das Geschriebene ist nicht, was es sein muss; darum wurde nichts behalten.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>Metadata of the scene would be lost, so nothing was written.</source>
        <translation>Metadaten der Szene gingen verloren; darum wurde nichts geschrieben.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>These scenes cannot be compared: their sizes or bands differ.</source>
        <translation>Diese Szenen sind nicht vergleichbar: Ihre Größen oder Kanäle sind verschieden.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The target cannot be reached on this scene: ask for less, or choose another target.</source>
        <translation>Das Ziel ist mit dieser Szene nicht zu erreichen: Weniger verlangen oder ein anderes Ziel wählen.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A band would lose its structure, so nothing was written: ask for more quality.</source>
        <translation>Ein Kanal verlöre seine Struktur, darum wurde nichts geschrieben: Mehr Qualität verlangen.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The ledger of the output folder cannot be read or written.</source>
        <translation>Das Verzeichnis des Ausgabeordners kann nicht gelesen oder geschrieben werden.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The output folder was begun with other parameters: repeat those, or choose another folder.</source>
        <translation>Der Ausgabeordner wurde mit anderen Parametern begonnen: Diese wiederholen oder einen anderen Ordner wählen.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>Another run works on the output folder: wait until it has ended.</source>
        <translation>Ein anderer Lauf arbeitet an dem Ausgabeordner: Warten, bis er zu Ende ist.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The scene changed while it was read: run again when it stays as it is.</source>
        <translation>Die Szene änderte sich, während sie gelesen wurde: Noch einmal ausführen, wenn sie bleibt, wie sie ist.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>There is not enough memory: allow less of it, or fewer threads.</source>
        <translation>Der Speicher reicht nicht: Weniger davon oder weniger Threads zulassen.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A file or folder could not be used.</source>
        <translation>Eine Datei oder ein Ordner war nicht benutzbar.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>There is no room left on the disk of the output folder.</source>
        <translation>Auf dem Datenträger des Ausgabeordners ist kein Platz mehr.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A process of the engine ended in the middle of this scene: out of memory?</source>
        <translation>Ein Prozess des Programms endete mitten in dieser Szene: zu wenig Speicher?</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine met an error of its own: please report it.</source>
        <translation>Das Programm stieß auf einen eigenen Fehler: Bitte melden.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>To use what can still be read, tick “{parameter}”.</source>
        <translation>Um zu nutzen, was noch lesbar ist, „{parameter}“ anhaken.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>To write it all the same, tick “{parameter}”.</source>
        <translation>Um es trotzdem zu schreiben, „{parameter}“ anhaken.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>To use the one there is, tick “{parameter}”.</source>
        <translation>Um die vorhandene zu nutzen, „{parameter}“ anhaken.</translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine says: {text}</source>
        <translation>Das Programm sagt: {text}</translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>Lossless</source>
        <translation>Verlustfrei</translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>Visually the same</source>
        <translation>Fürs Auge gleich</translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>Half the size</source>
        <translation>Halb so groß</translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>Science: error below noise</source>
        <translation>Wissenschaft: Fehler unter dem Rauschen</translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>units of the samples</source>
        <translation>Einheiten der Werte</translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>percent of each sample</source>
        <translation>Prozent jedes Wertes</translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>times smaller than the samples</source>
        <translation>mal kleiner als die Werte</translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>bits per pixel of all bands</source>
        <translation>Bit je Pixel aller Kanäle</translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>bits per sample</source>
        <translation>Bit je Wert</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Install the RSIC engine</source>
        <translation>Programm von RSIC installieren</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Install</source>
        <translation>Installieren</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Cancelled: nothing was installed.</source>
        <translation>Abgebrochen: Es wurde nichts installiert.</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Package, or the folder or wheel of rsic-geo on this computer</source>
        <translation>Paket, oder Ordner oder Wheel von rsic-geo auf diesem Rechner</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>The work is done by the program rsic. Install makes a Python environment of its own in {folder} and lets pip load rsic-geo and what it needs from the Python Package Index (some hundred MB on disk, no torch). Nothing else on this computer is changed; removing that folder removes it.</source>
        <translation>Die Arbeit macht das Programm rsic. „Installieren“ legt in {folder} eine eigene Python-Umgebung an und lässt pip rsic-geo und was es braucht aus dem Python Package Index laden (einige hundert MB auf der Platte, kein torch). Sonst ändert sich auf diesem Rechner nichts; wird der Ordner gelöscht, ist alles weg.</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>The engine was not installed: see the lines above, and try again.</source>
        <translation>Das Programm wurde nicht installiert: Die Zeilen oben sagen mehr; versuchen Sie es noch einmal.</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>rsic {version} is installed and chosen in Settings &gt; Options &gt; RSIC.</source>
        <translation>rsic {version} ist installiert und in Einstellungen &gt; Optionen &gt; RSIC gewählt.</translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>No Python of version {version} or newer with venv was found. Install one (python.org, or your system's packages python3 and python3-venv) and try again.</source>
        <translation>Es wurde kein Python der Version {version} oder neuer mit venv gefunden. Installieren Sie eines (python.org, oder die Pakete python3 und python3-venv Ihres Systems) und versuchen Sie es noch einmal.</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Program rsic, or a Python that has it</source>
        <translation>Programm rsic oder ein Python, das es hat</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>found by itself: RSIC_ENGINE, PATH</source>
        <translation>wird von selbst gefunden: RSIC_ENGINE, PATH</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>512 (MiB), 2GB or 10%; empty for the engine's default</source>
        <translation>512 (MiB), 2GB oder 10%; leer für die Vorgabe des Programms</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Test</source>
        <translation>Testen</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>The work is done by the program rsic in a process of its own. Install the Python package rsic-geo in a Python environment of its own, and give the path of that environment's rsic or python here.</source>
        <translation>Die Arbeit macht das Programm rsic in einem eigenen Prozess. Dafür wird das Python-Paket rsic-geo in einer eigenen Python-Umgebung installiert und hier der Pfad von rsic oder python dieser Umgebung angegeben.</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Engine</source>
        <translation>Programm</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Default device</source>
        <translation>Voreingestelltes Gerät</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Default network</source>
        <translation>Voreingestelltes Netz</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Extra environment (NAME=VALUE)</source>
        <translation>Zusätzliche Umgebung (NAME=WERT)</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Asking the engine...</source>
        <translation>Das Programm wird gefragt ...</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>rsic {version} works: {program} ({origin}). Networks: {models}. Devices: {devices}.</source>
        <translation>rsic {version} arbeitet: {program} ({origin}). Netze: {models}. Geräte: {devices}.</translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>none</source>
        <translation>keine</translation>
    </message>
    <message>
        <location filename="../pictures.py"/>
        <source>whole</source>
        <translation>ganz</translation>
    </message>
    <message>
        <location filename="../pictures.py"/>
        <source>detail</source>
        <translation>Ausschnitt</translation>
    </message>
    <message>
        <location filename="../pictures.py"/>
        <source>Difference, {part}: black is none, white {share:.2g} % of the range shown</source>
        <translation>Unterschied, {part}: Schwarz ist keiner, Weiß {share:.2g} % des gezeigten Bereichs</translation>
    </message>
    <message>
        <location filename="../provider.py"/>
        <source>RSIC: archives of georeferenced scenes</source>
        <translation>RSIC: Archive georeferenzierter Szenen</translation>
    </message>
    <message>
        <location filename="../provider.py"/>
        <source>engine</source>
        <translation>Programm</translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>{name} is no archive of RSIC: there is nothing to repair.</source>
        <translation>{name} ist kein Archiv von RSIC: Es gibt nichts zu reparieren.</translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>{name} (repaired)</source>
        <translation>{name} (repariert)</translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>QGIS cannot open what the engine serves of {name}.</source>
        <translation>QGIS kann nicht öffnen, was das Programm von {name} liefert.</translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>Samples of {path} as Decompress scene gives them, computed where the map shows them. Coarser than half the resolution they are the codec's. Served on this machine only, until the layer is removed.</source>
        <translation>Werte von {path}, wie „Szene entpacken“ sie liefert, berechnet, wo die Karte sie zeigt. Gröber als die halbe Auflösung sind es die des Codecs. Geliefert nur auf diesem Rechner, bis der Layer entfernt wird.</translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>{name} needs no repair: its own layer shows all there is.</source>
        <translation>{name} braucht keine Reparatur: Sein eigener Layer zeigt alles, was da ist.</translation>
    </message>
    <message>
        <location filename="../settings.py"/>
        <source>{program} cannot be used ({reason}).</source>
        <translation>{program} ist nicht benutzbar ({reason}).</translation>
    </message>
</context>
</TS>
