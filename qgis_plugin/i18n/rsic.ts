<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1">
<context>
    <name>Rsic</name>
    <message>
        <location filename="../actions.py"/>
        <source>Compare with an archive...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Archive a folder...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Install the engine...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>The program that does the work is not installed yet.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Archive with RSIC...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Show repaired</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../actions.py"/>
        <source>Archive to show repaired</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>Input and output are the same file: choose another output.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>{stage}: about {time} left</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>Cancelled: nothing was written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>Engine: rsic {version}, {program} ({origin})</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/base.py"/>
        <source>The name of an archive of this codec ends in {extension}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Setup</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>install,doctor,settings,test,diagnose,gpu,cuda,version</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Check engine</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Says whether the program rsic is there and works, and what to do if not.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Finds the program rsic, asks it what it can do, and lets it examine itself: libraries, drivers, GPU, networks, disk space.

It is searched for in Settings &gt; Options &gt; RSIC, the environment variable RSIC_ENGINE, PATH, and the folder .venv of the checkout this plugin is linked from, in this order. To try another one, give the path of its rsic, of a Python that has it, or of their environment's folder.

Outputs: a page with what was found and what to do, whether all is well, and the engine's version (empty without an engine). That something is missing is a result, not a failure of the algorithm.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>What to do:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>1. Have Python 3.11 or newer; that of QGIS is not used.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>2. In a terminal, make an environment for the engine (python -m venv rsic-engine) and install the Python package rsic-geo into it (rsic-engine/bin/pip install FOLDER, on Windows rsic-engine\Scripts\pip; FOLDER is that of its source).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>3. Give the path of that environment in Settings &gt; Options &gt; RSIC, and press Test.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>4. Run Check engine again: it says whether all the engine needs is there.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Program</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Found by</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Version</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Codecs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Networks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Devices</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Empty: the one the other algorithms use.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Report</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>All is well</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Version of the engine</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>Engine to check</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>HTML file</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/checkengine.py"/>
        <source>All files</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Quality</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>difference,psnr,rmse,quality,metadata,verify,equal,report</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compare scenes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compares pixels and every piece of metadata, and shows both scenes side by side.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compares every pixel and every piece of metadata of a raster with a reference. An archive is compared by what it decompresses to.

PSNR is of the worst band, over the pixels that are valid in the reference. It is relative to 255 for bytes, of which red, green and blue count as one band, else to the bits the file tells of or to the range a band uses; it is empty where both are equal. Scenes agree where pixels and metadata are equal, or where the pixels are within the bounds given.

MS-SSIM (1 = alike) and GMSD (0 = alike) say how alike both look. They are measured where they are chosen: that takes longer, and holds both scenes in memory.

Outputs: a page with the numbers of every band, all differences in metadata, and pictures side by side with their difference; PSNR, RMSE, mean and largest error, samples that differ, number of differences in metadata, MS-SSIM and GMSD if they were chosen, and whether the scenes agree.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compare what a damaged scene still holds</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>More measures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Metadata fields to leave out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Both are stretched alike. Differences are amplified, each picture as far as it allows: the bar below it goes from none to the share of the range shown that its caption names. Archives are shown as other programs show them, not repaired.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Reference</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Compared with</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Empty: pixels are to be equal.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Largest error to agree</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Otherwise a scene whose reader reports damage is an error.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>PSNR, RMSE, mean and largest error are always there.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Names as the report shows them, separated by commas.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>PSNR, of archives when decompressed (dB)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>RMSE</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Mean error</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Largest error</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Samples that differ</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Differences in metadata</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Scenes agree</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>The scenes agree.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>The scenes differ.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Lowest PSNR to agree (dB)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compare.py"/>
        <source>Side by side</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Compression</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>archive,jpeg 2000,jp2,lossless,shrink,raster,convert,codec</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Compress scene</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Writes a scene as a smaller archive, JPEG 2000 or COG, that every GIS opens.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Writes a raster as an archive. With the codec jp2 that is a plain GeoJP2 file, with cog a Cloud Optimized GeoTIFF, which every GIS opens, with one part more that holds what is needed to give the scene back complete (metadata, nodata, masks) and repaired. Archives of other codecs show every GIS a georeferenced preview; Decompress scene gives the scene back.

lossless gives back every pixel. The other targets are about the final result and are checked by decoding what was written: psnr=40 is as small as 40 dB allow, never less than 40 dB in the worst band. PSNR is relative to 255 for bytes, else to the bits the file tells of or to the range a band uses; what that means in the units of the scene is told. A band that ends below 20 dB SNR is named in a warning; one that loses its structure is an error, unless that is accepted.

JPEG 2000 holds samples of 8 or 16 bits, and numbers with decimals within a largest error; the codec cog holds samples of every type, without loss or within a largest error. auto goes by the name of the archive: .jp2 or .cog.tif. Layers that are no files (WMS, layers in memory) are to be saved first. An extent is not possible for scenes placed by control points alone.

Outputs: the archive as a layer; PSNR of that layer, which shows the codec's pixels, and PSNR, SNR (both of the worst band) and largest error of the scene that Decompress scene gives back, repaired where the archive names a network; these are empty where every pixel comes back. The compression ratio, bits per pixel of all bands, bytes of the archive and of the files beside it that tell other programs of nodata, scale and the like.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Nodata value</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>archive</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>The layer is a preview: only Decompress scene gives the scene itself.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Scene</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Of all bands, instead of the scene's own. Empty: as the scene says.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Archive</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Compression ratio</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the layer as it is shown (dB)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the scene given back (dB)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>SNR of the scene given back, worst band (dB)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Largest error of the scene given back</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Bits per pixel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Bytes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Bytes of files beside the archive</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>{size:,.0f} bytes, {ratio:.2f} times smaller</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Lossless: every pixel comes back.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Files beside it, which belong to it: {size:,.0f} bytes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>SNR of the bands (dB): {bands}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Other programs do not see: {what}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>Every sample of the scene comes back as it was.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>How good the pixels are was not measured.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the repaired scene, which Decompress scene gives back: {psnr:.2f} dB</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the layer, which shows the codec's pixels: {psnr:.2f} dB</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the layer and of the scene that Decompress scene gives back: {psnr:.2f} dB</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/compress.py"/>
        <source>PSNR of the scene that Decompress scene gives back: {psnr:.2f} dB</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>archive,jpeg 2000,jp2,restore,extract,decode,raster,geotiff,cog</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Decompress scene</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Gives an archived scene back as GeoTIFF, complete and repaired.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Gives back the scene of an archive as GeoTIFF or COG: pixels, nodata, masks, georeferencing and every piece of metadata it had.

auto repairs what the codec broke as the archive says, with the network it names; off gives the pixels the codec kept, as other programs show them. A lossless archive comes back exactly either way. A JPEG 2000 file of another program is decoded too, as it is; Enhance lossy raster repairs it.

Bands, an extent or a smaller level give that part of the whole; only what is needed for it is decoded. An extent is not possible for scenes placed by control points alone.

Outputs: the scene as a layer, and whether it was enhanced. Enhanced pixels are for looking at; keep lossless archives for measuring.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Accept another version of the network</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>decompressed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>auto: as the archive says. off: not at all. Or with the network named.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>0 is full size, 1 half as wide and high, 2 a quarter. From 1 on the codec's own levels are read, which is fast, and nothing is repaired.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Pixels were repaired</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Pixels were repaired.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Pixels are as the codec kept them.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Repair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>Halvings of the size</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/decompress.py"/>
        <source>The quality the archive promises is then not certain.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Enhancement</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>repair,restore,artifacts,deblock,denoise,neural network,deep learning,jpeg,webp,jpeg 2000,quality</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Enhance lossy raster</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Repairs what JPEG, JPEG 2000, WebP or another lossy codec broke.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Repairs a raster that went through a lossy codec (JPEG 2000, JPEG, WebP, JPEG XL, LERC) with a neural network. The raster is to be the lossy file itself: a copy that was stored losslessly no longer tells how much was lost.

Without the original nobody can prove that the result is better: the strength is estimated, with caution, and the output says what was done to it. Enhanced pixels are for looking at; keep the input for measuring.

The raster is enhanced in windows that leave no seam and need little memory. Bands or an extent give that part of what the whole raster would become. An archive of this plugin is decompressed, with the network and the strengths it holds.

Outputs: the raster as a layer, if wanted a layer with what was added to each sample, and the name of the network.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>File of weights</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Window (pixels)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>The window is to be a multiple of 64 pixels.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>enhanced</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Lossy raster</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>auto takes the best of the engine's networks for the raster. rsic-linear is none and needs an original: it is for compressing.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Share of the correction to apply, 0 to 1.5; empty to let the engine estimate it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>No sample is changed by more. Empty for no bound.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Enhanced</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>What was added to each sample: the enhanced raster minus the input.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Network that was used</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>change</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Network</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Strength</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Largest change (digital numbers)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>A network of your own, as rsic_geo.training writes it; instead of the one above.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>A multiple of 64; empty for the engine's default.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/enhance.py"/>
        <source>Change</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Everything the engine knows about the result, with SHA-256 of input and output.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Memory for raster cache</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Threads (0 = all cores)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Device of the network</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>auto takes a GPU where there is one the engine can use.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Network at half precision</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>About twice as fast; no sample differs by more than a digital number of 8 bits.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Accept a floating-point scene</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Archive a damaged scene as it can still be read</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Verify by decoding what was written</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Overview for networks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Seal the repaired pixels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Accept that a band loses its structure</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>The engine's usual one, as long as it has not said which it has.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Creation options</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>None chosen means all.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Empty: all of the raster. It is rounded to whole pixels; nothing is resampled.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>JSON file</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>As 512 (MiB), 2GB or 10%; empty for the engine's default.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>auto takes the best of the engine's networks for the scene, none stores the codec's pixels as they are.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>How long writing and reading may take, where something may be lost. fast: the scene's own filter alone. normal: the smallest network. best: a larger network and a longer search.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>rotated: what bands have in common is stored once, which saves a fifth or more where there are four or more of them, without loss a twentieth or more; other programs, and this one without rsic, then show the bands by the .vrt file beside the archive. auto: rotated where a trial saves 15 %, without loss 5 %.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>It is stored by JPEG 2000 as uint16 with a scale and an offset, which is not lossless; the codec cog needs no such choice.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>They carry what other programs cannot read from the archive itself: a mask (.msk), scale, units and the like (.aux.xml), and belong to it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Parts of a JPEG 2000 archive by which other programs find its place: both take a kilobyte, geojp2 alone 0.4, gml alone 0.7. Which of them a program reads differs: QGIS reads either.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>A small .ovr beside a .jp2: fewer requests for a thumbnail from afar, slower on a disk.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Keeps a checksum of every 256 rows of the repaired scene: whoever decompresses or validates the archive, on whatever machine, is told whether the pixels are the same bits.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>The archive and the report note the damage. Otherwise such a scene fails.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>A band below 6 dB SNR has no structure left: that is an error unless it is accepted here. Below 20 dB it is named in a warning.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Archives of each codec have a name of their own: {names}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>NAME=VALUE as GDAL takes them, separated by |, such as COMPRESS=LZW|BIGTIFF=YES.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Bands</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Extent</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Target</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>lossless: every pixel comes back. Otherwise the archive is as small as the target allows, or has the size asked for within 2 %. Qualities and mean errors are those of the worst band. Checked by decoding.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Value of the target (dB, digital numbers, %, ratio, bits)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Network whose repair the archive promises</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Codec</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Effort</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Codec tile (pixels)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Bands in the archive</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Files for other programs beside the archive</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Place for other programs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>The target {target} needs a value above 0.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>The codec {codec} is not lossless: choose another target, or another codec.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Output format</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/parameters.py"/>
        <source>Not used for lossless. Usual for three bands of bytes: {values}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>batch,folder,directory,many,bulk,store,migrate,jpeg 2000,compress</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Re-encode folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Archives every scene of a folder, and goes on where it was stopped.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Archives every scene of a folder into another folder, which mirrors its subfolders. Sources are only read. Nothing that exists is overwritten. Every archive is verified by decoding it before it appears under its name.

What was finished is written to a ledger in the output folder: run again with the same settings, scenes that are done are skipped, and those that failed are tried again. A scene that fails stops no other. The ledger rsic-batch.gpkg is a layer of footprints with the state of every scene; older engines keep a plain list.

Outputs: a table with one line per scene, how many are done, skipped and failed (an output name that is taken by something else counts as failed), the compression ratio of all, and the ledger.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes at a time</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Folder of scenes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Patterns separated by semicolons; * stands for any letters.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Subfolders too</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Without it every output that exists counts as failed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Each needs memory and a processor core of its own.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Folder of archives</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Summary</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes archived</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes that were done before</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes that failed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Ledger</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>No scene in this folder has a name of these patterns.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Scenes of {folder}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>{failed} of {total} scenes have no archive: they are selected in the layer {layer}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>File names</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>Go on where an earlier run stopped</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>CSV file</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>{done} done, {skipped} done before, {failed} failed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/reencodefolder.py"/>
        <source>{failed} of {total} scenes failed; the table and the ledger say why.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>There is no raster {name}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is no raster that can be opened.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is no file but a layer of the provider {provider}: save it as GeoTIFF first (Export &gt; Save As, raw data) and choose that file.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is only in QGIS's memory: save it as GeoTIFF first and choose that file.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is on another machine: copy it to a local file first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/sources.py"/>
        <source>{name} is there, but you may not read it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>check,checksum,damage,integrity,archive,jp2,jpeg 2000</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Validate archive</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Checks whether an archive is whole: structure, checksums, pixels.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Checks an archive byte by byte against its checksums and by decoding it. Without pixels only structure and checksums are checked, which is faster and finds damaged bytes too. A raster of another program is read through once.

Outputs: a page with what was found, whether the file is whole, and the number of problems. A damaged file is a result, not a failure of the algorithm.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Archives and rasters</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Without it structure and checksums only.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>The file is whole</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Problems</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>No file was given.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>The file is whole.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>The file is damaged or incomplete.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../algorithms/validate.py"/>
        <source>Decode every pixel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../amounts.py"/>
        <source>{count:.1f} h</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../amounts.py"/>
        <source>{count} s</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../amounts.py"/>
        <source>{count} min</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>What matters</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>Trying a sample...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>Expect about {size}, {time}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>as set below</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>Value of the target</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>A sample could not be archived like this: {reason}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>That is for the whole scene, not for the part that is chosen.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>unknown</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>Value of the target ({unit})</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../compress_dialog.py"/>
        <source>The file has {size}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/batch.py"/>
        <source>There is no folder {folder}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/batch.py"/>
        <source>The engine's ledger {ledger} cannot be read: {reason}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/capabilities.py"/>
        <source>The program that was found is not the rsic engine: it does not say what it can do.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/capabilities.py"/>
        <source>The engine (rsic {version}) is newer than this plugin: update the plugin.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/capabilities.py"/>
        <source>The engine is rsic {version}; this plugin needs {wanted} or newer: update the engine.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/capabilities.py"/>
        <source>The engine (rsic {version}) lacks {verbs}; this plugin needs {wanted} or newer: update the engine.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/environment.py"/>
        <source>The engine's extra environment in Settings &gt; Options &gt; RSIC has a part that is not NAME=VALUE: {part}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/errors.py"/>
        <source>install the Python package rsic-geo in an environment of its own (pip install, with the folder of its source) and give the path of that environment's rsic or python in Settings &gt; Options &gt; RSIC</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/folder.py"/>
        <source>Input and output folder are the same: choose another output folder.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/folder.py"/>
        <source>The output folder cannot be used: {reason}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/locate.py"/>
        <source>The rsic engine was not found.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/locate.py"/>
        <source>There is no {name} ({origin}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/locate.py"/>
        <source>The folder {path} ({origin}) holds no rsic and no Python.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>The engine printed no result: is it another program called rsic?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>The engine failed with exit code {code}: {said}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>{program} does not answer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>{program} is not a working rsic engine ({said}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>The engine was ended by signal 9 (out of memory?): {said}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>The engine was ended by signal {signal}: {said}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>{program} is not the rsic engine.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/session.py"/>
        <source>{program} cannot be started ({reason}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The file is damaged: copy it again from where it came. Validate archive shows what is wrong.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine could not do this.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The parameters do not fit each other or this scene.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A scene of this kind cannot be stored like this.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A file is there, but it could not be read or written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A file was not found: was it moved, or is its disk not connected?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The scene is damaged: copy it again from where it came.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The output exists: choose another name.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The part asked for is not inside the scene.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The codec failed on this scene.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine has no such codec: choose another one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The archive was made by a newer engine: update yours.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The network cannot be used: choose another one, or install the engine again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine has no such network: choose another one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine has another version of the network of this archive.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine lacks a Python package for this: Check engine says more.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>What was written is not what it has to be, so nothing was kept.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>Metadata of the scene would be lost, so nothing was written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>These scenes cannot be compared: their sizes or bands differ.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The target cannot be reached on this scene: ask for less, or choose another target.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A band would lose its structure, so nothing was written: ask for more quality.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The ledger of the output folder cannot be read or written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The output folder was begun with other parameters: repeat those, or choose another folder.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>Another run works on the output folder: wait until it has ended.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The scene changed while it was read: run again when it stays as it is.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>There is not enough memory: allow less of it, or fewer threads.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A file or folder could not be used.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>There is no room left on the disk of the output folder.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>A process of the engine ended in the middle of this scene: out of memory?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine met an error of its own: please report it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>To use what can still be read, tick “{parameter}”.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>To write it all the same, tick “{parameter}”.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>To use the one there is, tick “{parameter}”.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../engine/wording.py"/>
        <source>The engine says: {text}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>Lossless</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>Visually the same</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>Half the size</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>Science: error below noise</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>units of the samples</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>percent of each sample</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>times smaller than the samples</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>bits per pixel of all bands</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../expectation.py"/>
        <source>bits per sample</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Install the RSIC engine</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Install</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Cancel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Close</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Cancelled: nothing was installed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>Package, or the folder or wheel of rsic-geo on this computer</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>The work is done by the program rsic. Install makes a Python environment of its own in {folder} and lets pip load rsic-geo and what it needs from the Python Package Index (some hundred MB on disk, no torch). Nothing else on this computer is changed; removing that folder removes it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>The engine was not installed: see the lines above, and try again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>rsic {version} is installed and chosen in Settings &gt; Options &gt; RSIC.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../install_dialog.py"/>
        <source>No Python of version {version} or newer with venv was found. Install one (python.org, or your system's packages python3 and python3-venv) and try again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Program rsic, or a Python that has it</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>found by itself: RSIC_ENGINE, PATH</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>512 (MiB), 2GB or 10%; empty for the engine's default</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Test</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>The work is done by the program rsic in a process of its own. Install the Python package rsic-geo in a Python environment of its own, and give the path of that environment's rsic or python here.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Engine</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Default device</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Default network</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Extra environment (NAME=VALUE)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>Asking the engine...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>rsic {version} works: {program} ({origin}). Networks: {models}. Devices: {devices}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../options_page.py"/>
        <source>none</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../pictures.py"/>
        <source>whole</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../pictures.py"/>
        <source>detail</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../pictures.py"/>
        <source>Difference, {part}: black is none, white {share:.2g} % of the range shown</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../provider.py"/>
        <source>RSIC: archives of georeferenced scenes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../provider.py"/>
        <source>engine</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>{name} is no archive of RSIC: there is nothing to repair.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>{name} (repaired)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>QGIS cannot open what the engine serves of {name}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>Samples of {path} as Decompress scene gives them, computed where the map shows them. Coarser than half the resolution they are the codec's. Served on this machine only, until the layer is removed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../repaired.py"/>
        <source>{name} needs no repair: its own layer shows all there is.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <location filename="../settings.py"/>
        <source>{program} cannot be used ({reason}).</source>
        <translation type="unfinished"></translation>
    </message>
</context>
</TS>
