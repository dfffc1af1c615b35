/** The Debian package of a shared library, by the beginning of its file's name. */
export const nativePackages: Record<string, string> = {
  "libGL.so": "libgl1 (for cv2, opencv-python-headless in requirements.txt needs none)",
  "libgthread-2": "libglib2.0-0",
  "libglib-2": "libglib2.0-0",
  libpq: "libpq5",
  libmysqlclient: "libmariadb3",
  libmariadb: "libmariadb3",
  libopenblas: "libopenblas0",
  libatlas: "libatlas3-base",
  libgomp: "libgomp1",
  libgfortran: "libgfortran5",
  libxml2: "libxml2",
  libxslt: "libxslt1.1",
  libffi: "libffi8",
  libssl: "libssl3",
  "libpango-1": "libpango-1.0-0",
  libpangocairo: "libpangocairo-1.0-0",
  libpangoft2: "libpangoft2-1.0-0",
  libcairo: "libcairo2",
  "libgobject-2": "libglib2.0-0",
  libgdk_pixbuf: "libgdk-pixbuf-2.0-0",
  libmagic: "libmagic1",
  libzbar: "libzbar0",
  libportaudio: "libportaudio2",
  libsndfile: "libsndfile1",
  libjpeg: "libjpeg62-turbo",
  libopenjp2: "libopenjp2-7",
  libtiff: "libtiff6",
  libwebp: "libwebp7",
  libgdal: "libgdal32",
  libgeos: "libgeos-c1v5",
  libsqlite3: "libsqlite3-0",
  libpigpio: "libpigpio1",
  libnss3: "libnss3",
  libatk: "libatk1.0-0",
  libSM: "libsm6",
  libXext: "libxext6",
  libXrender: "libxrender1",
  libvips: "libvips42",
  libaio: "libaio1",
  libodbc: "unixodbc",
  libusb: "libusb-1.0-0",
  libstdc: "libstdc++6",
};

/** The Debian package of a header, or of a program that a build asks for its flags. */
export const buildPackages: Record<string, string> = {
  "Python.h": "python3-dev build-essential",
  pg_config: "libpq-dev python3-dev build-essential",
  "libpq-fe.h": "libpq-dev",
  mysql_config: "default-libmysqlclient-dev pkg-config python3-dev build-essential",
  mariadb_config: "libmariadb-dev",
  "mysql.h": "default-libmysqlclient-dev",
  "ffi.h": "libffi-dev",
  "openssl/": "libssl-dev",
  "libxml/": "libxml2-dev libxslt1-dev",
  "xslt-config": "libxml2-dev libxslt1-dev",
  "jpeglib.h": "libjpeg-dev zlib1g-dev",
  jpeg: "libjpeg-dev zlib1g-dev",
  "zlib.h": "zlib1g-dev",
  zlib: "zlib1g-dev libjpeg-dev",
  "sqlite3.h": "libsqlite3-dev",
  "lber.h": "libldap2-dev libsasl2-dev",
  "sasl/": "libsasl2-dev",
  "curl-config": "libcurl4-openssl-dev libssl-dev",
  "curl/": "libcurl4-openssl-dev",
  "portaudio.h": "portaudio19-dev",
  "bluetooth/": "libbluetooth-dev",
  "alsa/": "libasound2-dev",
  "cairo.h": "libcairo2-dev",
  cairo: "libcairo2-dev",
  "gdal-config": "libgdal-dev",
  "geos_c.h": "libgeos-dev",
  "yaml.h": "libyaml-dev",
  "gmp.h": "libgmp-dev",
  "sql.h": "unixodbc-dev",
  "ruby.h": "ruby-dev build-essential",
  "ruby/": "ruby-dev build-essential",
  "cups/": "libcups2-dev",
  "dbus/": "libdbus-1-dev",
  "systemd/": "libsystemd-dev",
  "pcap.h": "libpcap-dev",
  "vips/": "libvips-dev",
  swig: "swig",
  cmake: "cmake",
  "pkg-config": "pkg-config",
};

/** Debian packages that bring a program of another name. */
const programPackages: Record<string, string> = {
  node: "nodejs npm",
  npm: "nodejs npm",
  npx: "nodejs npm",
  java: "default-jre-headless",
  javac: "default-jdk-headless",
  mvn: "maven",
  go: "golang-go",
  cargo: "cargo",
  rustc: "rustc",
  bundle: "ruby bundler",
  gem: "ruby",
  irb: "ruby",
  php: "php-cli",
  pip: "python3-pip python3-venv",
  pip3: "python3-pip python3-venv",
  virtualenv: "python3-virtualenv",
  poetry: "python3-poetry",
  pipx: "pipx",
  cc: "build-essential",
  "c++": "build-essential",
  "g++": "build-essential",
  convert: "imagemagick",
  magick: "imagemagick",
  psql: "postgresql-client",
  pg_dump: "postgresql-client",
  mysql: "default-mysql-client",
  "redis-server": "redis-server",
  "redis-cli": "redis-tools",
  R: "r-base-core",
  Rscript: "r-base-core",
  ghc: "ghc",
  lua: "lua5.4",
  espeak: "espeak-ng",
  chromium: "chromium",
  chromedriver: "chromium-driver",
  wkhtmltopdf: "wkhtmltopdf",
  pdftotext: "poppler-utils",
  dot: "graphviz",
};

const sameName =
  /^(ruby|rake|gcc|g\+\+|make|cmake|composer|ffmpeg|imagemagick|sqlite3|git|curl|wget|zip|unzip|perl|erlang|elixir|clojure|leiningen|gradle|gunicorn|rsync|jq|zsh|fish|expect|screen|tmux|parallel|nano|vim|sox|mpv|espeak-ng|pandoc|hugo|guile|sbcl|nim|swig|fortune|cowsay|figlet|bc|tree|socat|supervisor|memcached|graphviz|tesseract-ocr|unoconv|lighttpd)$/;

/** What to type on the server for a program; undefined for one that Debian is not known to have. */
export function aptOfProgram(program: string): string | undefined {
  const name = Object.hasOwn(programPackages, program)
    ? programPackages[program]
    : sameName.test(program)
      ? program
      : undefined;
  return name && `on the server: sudo apt install ${name}`;
}

/** What to type on the server for a library or a header: the longest name that it begins with. */
export function aptLine(packages: Record<string, string>, file: string): string {
  const name = Object.keys(packages)
    .filter((start) => file.startsWith(start))
    .sort((a, b) => b.length - a.length)[0];
  return name
    ? `on the server: sudo apt install ${packages[name]}`
    : `on the server: apt-file search ${file} tells the package to install`;
}
