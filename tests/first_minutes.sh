#!/usr/bin/env bash
# The first minutes of somebody who has never had rsic: an empty environment without torch, the wheel, the first
# commands. Prints what each step took, and ends with 0 if all of them did what they should.
#
#   tests/first_minutes.sh            PYTHON=python3.12 tests/first_minutes.sh
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
unset PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK=1
start=$SECONDS
step() { printf '%4d s  %s\n' "$((SECONDS - start))" "$1"; }
fail() { echo "first_minutes: $1" >&2; exit 1; }

# What is packed is what is kept: no build folder of an earlier time, and none left in the checkout.
mkdir "$place/source"
cp -r "$here/rsic_geo" "$here/pyproject.toml" "$here/README.md" "$here/LICENSE" "$place/source"
find "$place/source" -name __pycache__ -prune -exec rm -rf {} +
"$python" -m venv "$place/tools"
"$place/tools/bin/pip" install -qq build twine
"$place/tools/bin/python" -m build -o "$place/dist" "$place/source" >"$place/build.log" 2>&1 || { tail "$place/build.log"; fail 'no build'; }
"$place/tools/bin/twine" check --strict "$place"/dist/* >/dev/null || fail 'twine finds fault'
! { tar tzf "$place"/dist/*.tar.gz; unzip -l "$place"/dist/*.whl; } | grep -E '\.(tif|tiff|jp2|png|csv|gpkg)$' || fail 'a package holds data'
step 'a wheel and an sdist are built, and twine finds no fault'

"$python" -m venv "$place/venv"
"$place/venv/bin/pip" install -qq "$place"/dist/*.whl
export PATH="$place/venv/bin:$PATH"
! python -c 'import torch' 2>/dev/null || fail 'torch was pulled in'
cd "$place"
rsic --version
rsic doctor >doctor.txt || { cat doctor.txt; fail 'the doctor is not content'; }
step 'installed, without torch'

rsic >begin.txt 2>&1 || true
grep -q 'rsic tour' begin.txt || fail 'rsic alone does not say where to begin'
rsic compress --help >help.txt
grep -q -- '--target psnr=40' help.txt || fail 'the help of compress has no example'
rsic tour
step 'the tour is done'

grep -q 'leaflet' rsic-tour/look.html || fail 'the wheel lacks the map library'

cp rsic-tour/scene.tif scene.tif
rsic compress scene.tif
test -f scene.jp2 || fail 'no archive beside the scene'
! rsic compress scene.tif 2>again.txt || fail 'an archive was overwritten'
grep -q 'exists already' again.txt
! rsic decompress scene.jp2 scene.tif 2>again.txt || fail 'a scene was overwritten'
grep -q -- '--overwrite' again.txt
rsic decompress scene.jp2 back.tif
rsic compare scene.tif back.tif
step 'a scene of my own is archived and comes back'

for shell in bash zsh fish; do
  rsic completion "$shell" >"completion.$shell"
  grep -q _RSIC_COMPLETE "completion.$shell" || fail "no completion for $shell"
done
bash -c 'eval "$(cat completion.bash)"; COMP_WORDS=(rsic comp) COMP_CWORD=1; _rsic_completion rsic; echo "${COMPREPLY[@]}"' \
  | grep -q compress || fail 'bash completes nothing'
step 'shells complete what is typed'

python - <<'PYTHON'
import rsic_geo

with rsic_geo.open("rsic-tour/scene.jp2") as scene:
    assert scene.is_enhanced
    print(scene.read(1, window=((0, 64), (0, 64)), out_shape=(16, 16)).shape)
PYTHON
step 'Python reads an enhanced window on the CPU'
