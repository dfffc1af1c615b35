<?php
header("Content-Type: text/plain");
echo getenv("GREETING"), "\n";
