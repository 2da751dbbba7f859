"""Words that side information tends to hold: the dictionary its text is deflated with.

Part of the format: changing one byte makes every archive of major version 1 unreadable. Later versions may
only add another dictionary under another major version. The most likely words come last, where deflate
refers to them with the fewest bits.
"""

from __future__ import annotations

_RPC = (
    '"rpcs":{"ERR_BIAS":"-1","ERR_RAND":"-1","HEIGHT_OFF":"","HEIGHT_SCALE":"500","LAT_OFF":"",'
    '"LAT_SCALE":"0.",'
    '"LINE_DEN_COEFF":"1 ","LINE_NUM_COEFF":"","LINE_OFF":"","LINE_SCALE":"","LONG_OFF":"","LONG_SCALE":"0.",'
    '"SAMP_DEN_COEFF":"1 0.000 -0.000 e-05 e-06 e-07 e-08 e-09","SAMP_NUM_COEFF":"","SAMP_OFF":"",'
    '"SAMP_SCALE":""},'
)
_TAGS = (
    '"TIFFTAG_DOCUMENTNAME":"TIFFTAG_IMAGEDESCRIPTION":"TIFFTAG_SOFTWARE":"TIFFTAG_DATETIME":"20'
    '"TIFFTAG_MAXSAMPLEVALUE":"TIFFTAG_MINSAMPLEVALUE":"TIFFTAG_RESOLUTIONUNIT":"1 (unitless)"'
    '"TIFFTAG_XRESOLUTION":"1","TIFFTAG_YRESOLUTION":"1","2 (pixels/inch)"'
    '"ACQUISITIONDATETIME":"CLOUDCOVER":"0.0",'
    '"IMD":{"SATELLITE":"SENSOR":"IMAGERY":{"xml:XMP":{"":"<?xpacket begin='
    '"OVR_RESAMPLING_ALG":"AVERAGE","NEAREST","wavelength":"wavelength_units":"Nanometers",'
    '"Micrometers","fwhm":"'
    '"LAYER_TYPE":"athematic","STATISTICS_MAXIMUM":"255","STATISTICS_MEAN":"","STATISTICS_MINIMUM":"0",'
    '"STATISTICS_STDDEV":"","STATISTICS_VALID_PERCENT":"100"}},"STATISTICS_APPROXIMATE":"YES",'
    '"RepresentationType":"'
)
_GEOGRAPHIC = (
    'GEOGCRS["unknown",GEOGCRS["ETRS89",DATUM["European Terrestrial Reference System 1989",ID["EPSG",4258]]'
    'GEOGCRS["NAD83",DATUM["North American Datum 1983",ELLIPSOID["GRS 1980",6378137,298.257222101,'
    'LENGTHUNIT["metre",1]]]'
    ',ID["EPSG",4269]],METHOD["Lambert Conic Conformal (2SP)",ID["EPSG",9802]],'
    'PARAMETER["Latitude of false origin",'
    'ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8821]],PARAMETER["Longitude of false origin",'
    'ID["EPSG",8822]],'
    'PARAMETER["Latitude of 1st standard parallel",ID["EPSG",8823]],'
    'PARAMETER["Latitude of 2nd standard parallel",'
    'ID["EPSG",8824]],PARAMETER["Easting at false origin",ID["EPSG",8826]],'
    'PARAMETER["Northing at false origin",'
    'ID["EPSG",8827]],METHOD["Lambert Azimuthal Equal Area",ID["EPSG",9820]],CS[ellipsoidal,2],'
    'AXIS["geodetic latitude (Lat)",north,ORDER[1],ANGLEUNIT["degree",0.0174532925199433]],'
    'AXIS["geodetic longitude (Lon)",east,ORDER[2],ANGLEUNIT["degree",0.0174532925199433]],'
    'CONVERSION["Popular Visualisation Pseudo-Mercator",METHOD["Popular Visualisation Pseudo Mercator",'
    'ID["EPSG",1024]],ENSEMBLE["World Geodetic System 1984 ensemble",'
    'MEMBER["World Geodetic System 1984 (Transit)"],'
    'ENSEMBLEACCURACY[2.0]],USAGE[SCOPE["AREA["BBOX[REMARK["BOUNDCRS[SOURCECRS[TARGETCRS[COMPOUNDCRS[VERTCRS['
)
_PROJECTED = (
    'PROJCRS["unnamed",BASEGEOGCRS["unknown",DATUM["unknown",PROJCRS["WGS 84 / Pseudo-Mercator",'
    'PROJCRS["WGS 84 / UTM zone 33N",BASEGEOGCRS["WGS 84",DATUM["World Geodetic System 1984",'
    'ELLIPSOID["WGS 84",6378137,298.257223563,LENGTHUNIT["metre",1]]],PRIMEM["Greenwich",0,'
    'ANGLEUNIT["degree",0.0174532925199433]],ID["EPSG",4326]],CONVERSION["UTM zone 33N",'
    'METHOD["Transverse Mercator",ID["EPSG",9807]],PARAMETER["Latitude of natural origin",0,'
    'ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8801]],PARAMETER["Longitude of natural origin",15,'
    'ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8802]],'
    'PARAMETER["Scale factor at natural origin",0.9996,'
    'SCALEUNIT["unity",1],ID["EPSG",8805]],PARAMETER["False easting",500000,LENGTHUNIT["metre",1],'
    'ID["EPSG",8806]],'
    'PARAMETER["False northing",0,LENGTHUNIT["metre",1],ID["EPSG",8807]]],CS[Cartesian,2],'
    'AXIS["easting",east,'
    'ORDER[1],LENGTHUNIT["metre",1]],AXIS["northing",north,ORDER[2],LENGTHUNIT["metre",1]],ID["EPSG",32633]]'
)
_KEYS = (
    '"descriptions":{"all":["Red","Green","Blue","NIR","B01","B02","B03","B04"],"units":{"all":"metre"},'
    '"scales":{"all":0.0001},"offsets":{"all":0.0},"categories":{"1":["colormaps":{"1":{"0":[0,0,0,255],"1":['
    '"gcp_crs":"EPSG:4326","gcps":[[0.5,0.5,"mask_flags":{"all":["per_dataset"]},["per_dataset","alpha"]'
    '"band_tags":{"1":{"":{"2":{"":{"3":{"":{"4":{"":{"tags":{"":{"area_or_point":"Point",'
    '"colorinterp":["gray","undefined","undefined","alpha"],"palette"},'
    '{"x":{"affine":{"bands":"low":[0.0,"high":['
    '"t":{"psnr":40.0},"t":{"max-error":2.0},"t":{"ratio":20.0},"t":{"bpp":0.15},"t":{"bpp":0.5},'
    '"dtypes":{"all":"int16"},"colorinterp":{"all":"gray"},"mask_flags":{"all":["nodata"]},'
    '"nodata":{"all":0.0},'
    '{"s":{"width":1024,"height":1024,"count":1,"dtypes":{"all":"uint16"},"crs":"EPSG:32633",'
    '"transform":[10.0,0.0,0000.0,0.0,-10.0,0000.0],"r":{"dtype":"uint16","low":[0.0],"high":[255.0]},'
    '{"s":{"width":512,"height":512,"count":3,"colorinterp":["red","green","blue","alpha"]},'
    '{"s":{"width":400,"height":400,"count":3,"colorinterp":["red","green","blue"]},'
    '"r":{"dtype":"uint8","bands":3}}'
)

PRESET = (_RPC + _TAGS + (_GEOGRAPHIC + _PROJECTED).replace('"', '\\"') + _KEYS).encode("ascii")
"""The dictionary of major version 1."""
