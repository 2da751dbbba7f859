# make demo   the main job on a small scene: compress, decompress with enhancement, a table and a picture in out/
# make test   every test
# make test-qgis    the tests of the QGIS plugin, on a QGIS it installs if it may
# make plugin-zip   the plugin, as QGIS and its plugin site take it, in dist/
# make lint   style, types and the rules on who imports whom
#
# Each sets up what it needs: Debian/Ubuntu packages (as root; otherwise it names them), a virtual environment in
# .venv, torch, this package. Without an NVIDIA GPU the CPU build of torch is taken where pip can find one; give the
# index that PyTorch's installation page names for CPU builds as `make demo TORCH_INDEX=URL` to have it found.

PYTHON      ?= python3
VENV        ?= .venv
TORCH_INDEX ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check --no-input -c constraints.txt
TORCH := $(shell sed -n '/^torch==/p' constraints.txt)

.PHONY: demo test test-qgis plugin-zip lint clean

demo: $(VENV)/.demo
	@$(BIN)/python -m rsic_geo.evaluation.demo

test: $(VENV)/.test
	@# Two workers for two cores: threads of OpenBLAS's own would wait for each other by spinning.
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

test-qgis: $(VENV)/.test
	@PYTHON='$(PYTHON)' .ci/system-packages qgis
	@RSIC_QGIS=required $(BIN)/python -m pytest -q tests/qgis

plugin-zip:
	@$(PYTHON) qgis_plugin/tools/pack.py dist $(if $(PLUGIN_URL),--url '$(PLUGIN_URL)') $(if $(PLUGIN_EMAIL),--email '$(PLUGIN_EMAIL)')

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.demo: pyproject.toml constraints.txt
	@PYTHON='$(PYTHON)' .ci/system-packages demo
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import torch' 2>/dev/null || { \
	  index='$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))'; \
	  if nvidia-smi -L >/dev/null 2>&1; then echo 'Installing torch (CUDA build)'; $(PIP) $$index '$(TORCH)'; \
	  elif echo 'Installing torch (CPU build)'; $(PIP) $$index '$(TORCH)+cpu' 2>/dev/null; then :; \
	  else echo 'No CPU-only build of torch in the indexes pip knows: taking the standard one, which on Linux brings' \
	    'gigabytes of CUDA. To avoid that: make TORCH_INDEX=(the CPU index of the PyTorch installation page)'; \
	    $(PIP) '$(TORCH)'; fi; }
	@echo 'Installing rsic_geo'
	@$(PIP) -e '.[train]'
	@touch $@

# The numpy headers are named because those of Debian's python3-numpy, which gdal-bin brings, would be found first.
$(VENV)/.test: $(VENV)/.demo
	@PYTHON='$(PYTHON)' .ci/system-packages test
	@echo 'Installing the test tools'
	@$(PIP) -e '.[test,plugin]'
	@$(PIP) --no-deps 'compressai>=1.2.8,<2; python_version < "3.13"'
	@$(BIN)/python -c 'from osgeo import gdal_array' 2>/dev/null || { \
	  command -v gdal-config >/dev/null && $(PIP) setuptools wheel && echo 'Building osgeo.gdal' && \
	  headers="-I$$($(BIN)/python -c 'import numpy; print(numpy.get_include())')" && \
	  CFLAGS="$$headers" CXXFLAGS="$$headers" $(PIP) --no-build-isolation --no-cache-dir --force-reinstall --no-deps \
	    "gdal==$$(gdal-config --version).*" && $(BIN)/python -c 'from osgeo import gdal_array'; } || \
	  echo 'osgeo.gdal could not be built: the tests that read our files with it will be skipped'
	@touch $@

clean:
	rm -rf $(VENV) out build dist *.egg-info
